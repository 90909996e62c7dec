import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ElasticModel } from '../../../src/onnx/elastic/elastic-model.js';
import { graphCost } from '../../../src/onnx/graph-cost.js';
import { decodeModel, dimsOf, encodeModel, graphOf, makeNode, type ModelProto } from '../../../src/onnx/model-proto.js';
import { prepareInput } from '../../../src/onnx/prepare/prepare-input.js';
import { resizeInput } from '../../../src/onnx/resize/resize-input.js';
import { thrownBy } from '../../fixtures/failure.js';
import { largestDifference, pseudoRandom, runModel, type Outputs } from '../support.js';
import { elasticFile, elasticManifest, elasticNetwork, HEAD_CHANNELS, maskedNetwork, type ElasticParts } from './elastic-network.js';

const open = (parts: ElasticParts): ElasticModel => ElasticModel.open(parts.base, elasticFile(parts), { input: { width: parts.size, height: parts.size }, fileName: 'elastic.safetensors' });
const run = (onnx: Uint8Array, { size }: ElasticParts): Promise<Outputs> => runModel(onnx, pseudoRandom(3 * size * size, 5), [1, 3, size, size]);
const difference = (a: Outputs, b: Outputs): number => Math.max(...Object.keys(b).map((name) => largestDifference(a[name]!.data, b[name]!.data)));

describe('the network of a ratio', () => {
  const parts = elasticNetwork();
  const model = open(parts);

  test.each(parts.ratios)('$name gives what the whole network gives whose idle channels are multiplied by 0', async ({ name }) => {
    const [sliced, masked] = [await run(model.slice(name), parts), await run(maskedNetwork(parts, name), parts)];
    expect(Object.keys(sliced)).toEqual(['head8', 'head16']);
    expect(difference(sliced, masked)).toBeLessThan(1e-4);
  });

  test('no two give the same', async () => {
    const outputs = await Promise.all(parts.ratios.map(({ name }) => run(model.slice(name), parts)));
    expect(difference(outputs[0]!, outputs[1]!)).toBeGreaterThan(0.01);
    expect(difference(outputs[2]!, outputs[3]!)).toBeGreaterThan(0.01);
  });

  test('does as much as the file says, and has no normalization left', () => {
    for (const { name, macs } of parts.ratios.slice(1)) {
      const graph = graphOf(decodeModel(model.slice(name)));
      expect(graphCost(graph).macs).toBe(macs);
      expect(graph.node!.some(({ opType }) => opType === 'BatchNormalization')).toBe(false);
    }
  });

  test('keeps the outputs and cuts both sides of what is between', () => {
    const graph = graphOf(decodeModel(model.slice('50')));
    const dims = Object.fromEntries(graph.initializer!.map((tensor) => [tensor.name!, dimsOf(tensor)]));
    expect(dims['stem.conv']).toEqual([4, 3, 3, 3]);
    expect(dims['csp0.residual.conv']).toEqual([4, 4, 3, 3]);
    expect(dims['mix.conv']).toEqual([8, 32, 1, 1]);
    expect(dims['head8.weight']).toEqual([HEAD_CHANNELS, 8, 1, 1]);
  });

  test('dense is the base, byte for byte', () => expect(model.slice('100')).toBe(parts.base));

  test('that there is not is refused with those that there are', () => {
    expect(thrownBy(() => model.slice('60'))).toMatchObject({ code: 'ERR_MODEL_NOT_FOUND', fix: 'Ratios of the model: 100, 75, 50, 25.' });
  });

  test('leaves the base as it was', async () => {
    const before = Buffer.from(parts.base).toString('base64');
    model.slice('25');
    expect(Buffer.from(parts.base).toString('base64')).toBe(before);
  });

  test('takes frames, and pictures of another size', async () => {
    const { input } = elasticManifest(parts);
    const sliced = model.slice('25');
    const resized = resizeInput(sliced, input, { width: 96, height: 64 });
    const [small, wide] = [prepareInput(sliced, input), prepareInput(resized.onnx, resized.input)];
    const outputs = await runModel(small, new Uint8Array(3 * 64 * 64).fill(90), [1, 3, 64, 64]);
    // Grey: planes don't tell, and the network sees 90 / 255.
    const direct = await runModel(sliced, new Float32Array(3 * 64 * 64).fill(90 / 255), [1, 3, 64, 64]);
    expect(difference(outputs, direct)).toBeLessThan(1e-4);
    expect((await runModel(wide, new Uint8Array(3 * 64 * 96), [1, 3, 64, 96]))['head8']!.dims).toEqual([1, HEAD_CHANNELS, 8, 12]);
  });

  test('is exact for any weights, masks and shares', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1e6 }), fc.constantFrom(4, 8, 12), fc.uniqueArray(fc.integer({ min: 5, max: 95 }), { minLength: 1, maxLength: 4 }), async (seed, width, percents) => {
        const random = elasticNetwork({ seed, width, size: 32, kept: [1, ...percents.toSorted((a, b) => b - a).map((percent) => percent / 100)] });
        // Two shares may round to the same channels: such a file is refused, rightly.
        fc.pre(random.ratios.every(({ macs }, r) => r === 0 || macs < random.ratios[r - 1]!.macs));
        const { name } = random.ratios.at(-1)!;
        const [sliced, masked] = [await run(open(random).slice(name), random), await run(maskedNetwork(random, name), random)];
        expect(difference(sliced, masked)).toBeLessThan(1e-3);
      }),
      { numRuns: 15 },
    );
  }, 30_000);
});

/** Changes the network before it is opened with its file. */
function changed(change: (model: ModelProto) => void, parts = elasticNetwork()): ElasticParts {
  const model = decodeModel(parts.base);
  change(model);
  return { ...parts, base: encodeModel(model) };
}

const nodeAfter = (model: ModelProto, layer: string): NonNullable<ReturnType<typeof graphOf>['node']>[number] => {
  const norm = graphOf(model).node!.find(({ input }) => input!.includes(`${layer}.weight`))!;
  return graphOf(model).node!.find(({ input }) => input!.includes(norm.output![0]!))!;
};

describe('a network and a file that do not belong together are refused', () => {
  test.each<[string, () => ElasticParts, RegExp]>([
    ['added channels with other masks', () => elasticNetwork({ isTied: false, width: 16 }), /channel \d+ of csp0\.residual and the one of csp0\.left that it goes with don't work at the same ratios/],
    [
      'a layer that is not in the network',
      () => {
        const parts = elasticNetwork();
        for (const part of ['mask', 'threshold', 'scale', 'shift']) parts.tensors.set(`${part}/other`, parts.tensors.get(`${part}/stem`)!);
        return parts;
      },
      /no normalization other, with the inputs other\.weight, other\.bias, other\.running_mean, other\.running_var/,
    ],
    ['another activation', () => changed((model) => (nodeAfter(model, 'stem').opType = 'Sigmoid')), /stem is read by something else than a Relu/],
    ['statistics of another training', () => ({ ...elasticNetwork(), base: elasticNetwork({ seed: 2 }).base }), /statistics of channel 0 of stem at the dense ratio are not those of the network/],
    ['another width', () => ({ ...elasticNetwork(), base: elasticNetwork({ width: 12 }).base }), /stem has 8 channels, in the network 12/],
    ['operations instead of multiply-accumulates', () => {
      const parts = elasticNetwork();
      return { ...parts, metadata: { ...parts.metadata, ratios: JSON.stringify(parts.ratios.map((ratio) => ({ ...ratio, macs: ratio.macs * 2 }))) } };
    }, /ratio 100 is said to do \d+ multiply-accumulates, and does \d+/],
    [
      'channels that an output of the network has',
      () =>
        changed((model) => {
          const graph = graphOf(model);
          graph.output!.push({ ...graph.output![0]!, name: nodeAfter(model, 'mix').output![0]! });
        }),
      /channel \d+ of mix can't be cut out of the network/,
    ],
    [
      'a constant that is added to channels that may be off',
      () =>
        changed((model) => {
          const graph = graphOf(model);
          const relu = nodeAfter(model, 'stem');
          const [output] = relu.output!;
          relu.output = ['stem_before'];
          graph.node!.splice(graph.node!.indexOf(relu) + 1, 0, makeNode('Add', 'more', ['stem_before', 'head8.bias_one'], [output!]));
          graph.initializer!.push({ name: 'head8.bias_one', dataType: 1, dims: [1], floatData: [1] });
        }),
      /at more \(Add\) channels that are off would not stay zero/,
    ],
  ])('%s', (_, make, message) => {
    expect(thrownBy(() => open(make()))).toMatchObject({ code: 'ERR_MODEL_ELASTIC', message: expect.stringMatching(message) as string, fix: expect.stringMatching(/./) as string });
  });
});
