import { afterAll, describe, expect, it } from 'vitest';
import { PatchFinder } from '../../../src/guard/search/patch-finder.js';
import { GraphBuilder } from '../../../src/onnx/graph-builder.js';
import { tempFolder } from '../../fixtures/temp-folder.js';
import { finderModel, meanModel, writeModel } from '../../fixtures/tiny-onnx.js';

const folder = tempFolder();
const modelPath = writeModel(folder, 'finder.onnx', finderModel());
const opened: PatchFinder[] = [];
afterAll(() => Promise.all(opened.map((finder) => finder.release())));

async function load(size: { readonly width: number; readonly height: number }, path = modelPath): Promise<PatchFinder> {
  const finder = await PatchFinder.load({ modelPath: path, threads: 1 }, size);
  opened.push(finder);
  return finder;
}

/** Says the right things of a picture that is half as large. */
function halfFinder(): Uint8Array {
  const graph = new GraphBuilder('half');
  const pixels = graph.node('Cast', [graph.input('pixels', 'uint8', [1, 3, 'height', 'width'])], { to: { i: 1 } });
  const cells = graph.node('AveragePool', [pixels], { kernel_shape: { ints: [8, 8] }, strides: { ints: [8, 8] } });
  const layer = (name: string, channels: number): string => graph.node('Conv', [cells, graph.floats(`${name}_weights`, [channels, 3, 1, 1], new Float32Array(3 * channels))]);
  graph.output(layer('centre', 1), 'float32', [1, 1, 'rows', 'columns'], 'centre');
  graph.output(layer('sides', 4), 'float32', [1, 4, 'rows', 'columns'], 'sides');
  return graph.build();
}

describe('PatchFinder', () => {
  it.each([
    [{ width: 64, height: 48 }, [40, 20]],
    [{ width: 32, height: 96 }, [12, 60]],
  ] as const)('looks at pictures of any size, planes in the order G, B, R: %o', async (size, [left, top]) => {
    const finder = await load(size);
    const plane = size.width * size.height;
    const pixels = new Uint8Array(3 * plane).fill(100);
    for (let y = top; y < top + 12; y += 1) {
      for (let x = left; x < left + 12; x += 1) [0, 255, 255].forEach((level, p) => (pixels[p * plane + y * size.width + x] = level));
    }
    const { columns, rows, centre, sides } = await finder.find(pixels);
    expect({ columns, rows, cells: centre.length, sides: sides.length }).toEqual({ columns: size.width / 4, rows: size.height / 4, cells: plane / 16, sides: plane / 4 });
    const best = centre.indexOf(Math.max(...centre));
    expect([best % columns, Math.floor(best / columns)]).toEqual([(left + 4) / 4, (top + 4) / 4]);
    expect(centre[best]).toBeCloseTo(15.5, 4);
    expect(Math.min(...centre)).toBeCloseTo(-10, 4);
    expect(new Set(sides)).toEqual(new Set([16]));
  });

  it('finds the same again, whatever it saw in between', async () => {
    const finder = await load({ width: 32, height: 32 });
    const pixels = Uint8Array.from({ length: 3 * 32 * 32 }, (_, i) => (i * 37) % 256);
    const first = await finder.find(pixels);
    await finder.find(new Uint8Array(3 * 32 * 32));
    expect(await finder.find(pixels)).toEqual(first);
  });

  it.each<[string, () => Promise<unknown>, object]>([
    ['a picture that it can not halve four times', () => load({ width: 300, height: 320 }), { code: 'ERR_USAGE', message: expect.stringContaining('300x320') as string, fix: expect.stringContaining('--search evidence') as string }],
    ['a file that is no network', () => load({ width: 32, height: 32 }, writeModel(folder, 'text.onnx', Buffer.from('nothing'))), { code: 'ERR_MODEL_CORRUPT' }],
    ['another network', () => load({ width: 32, height: 32 }, writeModel(folder, 'mean.onnx', meanModel())), { code: 'ERR_MODEL_CORRUPT', message: expect.stringContaining('without pixels, centre, sides') as string }],
    ['a finder of another stride', () => load({ width: 32, height: 32 }, writeModel(folder, 'half.onnx', halfFinder())), { code: 'ERR_MODEL_OUTPUT_SHAPE', message: expect.stringContaining("'centre' of shape [1,1,8,8]") as string }],
  ])('refuses %s', async (_, run, error) => {
    await expect(run()).rejects.toMatchObject(error);
  });
});
