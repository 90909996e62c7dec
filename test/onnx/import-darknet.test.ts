import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { importDarknet } from '../../src/onnx/import/import-darknet.js';
import { ACTIVATIONS, channelsOf, convolve, each, maxPool, picture, stack, upsample } from './darknet-reference.js';
import { NetworkWriter } from './network-writer.js';
import { hasShared, largestDifference, pseudoRandom, runModel, SHARED, toPlanes, WITHOUT_SHARED } from './support.js';

const read = (path: string): Buffer => readFileSync(`${SHARED}${path}`);

describe.skipIf(!hasShared)(`published networks equal an independent conversion${hasShared ? '' : ` (skipped: ${WITHOUT_SHARED})`}`, () => {
  test.each(['yolo-fastest-1.1', 'yolo-fastest-1.1-xl'])('%s: raw heads differ by less than 1e-4', async (name) => {
    const stem = `models/${name}/${name}`;
    const imported = importDarknet(read(`${stem}.cfg`).toString(), read(`${stem}.weights`));
    const oracle = read(`${stem}.onnx`);
    const photo = await sharp(`${SHARED}data/photos/dog.jpg`).resize(320, 320, { fit: 'fill' }).removeAlpha().raw().toBuffer();
    const inputs = [pseudoRandom(3 * 320 * 320), Float32Array.from(toPlanes(photo, [0, 1, 2]), (value) => value / 255)];
    for (const input of inputs) {
      const actual = await runModel(imported.onnx, input, [1, 3, 320, 320]);
      const expected = await runModel(oracle, input, [1, 3, 320, 320]);
      expect(largestDifference(actual['yolo_0']!.data, expected['head_10x10']!.data)).toBeLessThan(1e-4);
      expect(largestDifference(actual['yolo_1']!.data, expected['head_20x20']!.data)).toBeLessThan(1e-4);
    }
    expect(imported.classCount).toBe(80);
    expect(imported.input).toEqual({ name: 'images', layout: 'nchw', dtype: 'float32', width: 320, height: 320, color: 'rgb', scale: 1 / 255, mean: [0, 0, 0], fit: 'stretch', padValue: 127 });
    expect(imported.head).toEqual({
      kind: 'darknet',
      scales: [
        { output: 'yolo_0', stride: 32, anchors: [[115, 73], [119, 199], [242, 238]] },
        { output: 'yolo_1', stride: 16, anchors: [[12, 18], [37, 49], [52, 132]] },
      ],
    });
  });
});

const input = picture(3, 16, 24, (channel, y, x) => Math.sin(channel * 7 + y * 3 + x));

async function headOf(writer: NetworkWriter, weights = writer.weights()): Promise<{ head: Float32Array; imported: ReturnType<typeof importDarknet> }> {
  const imported = importDarknet(writer.cfg, weights);
  const outputs = await runModel(imported.onnx, Float32Array.from(input.data), [1, 3, 16, 24]);
  return { head: outputs[imported.head.scales![0]!.output!]!.data, imported };
}

const YOLO = 'mask=0 anchors=10,14,23,27 classes=1';
const LAST = { filters: 6, size: 1, stride: 1, padding: 0 };

describe('layers equal a plain computation of Darknet', () => {
  test.each(Object.keys(ACTIVATIONS))('convolution with batch norm, groups, stride, dilation and %s', async (activation) => {
    const writer = new NetworkWriter(24, 16);
    const first = { filters: 4, size: 3, stride: 2, padding: 1 };
    const grouped = { filters: 6, size: 3, stride: 1, padding: 2, groups: 2, dilation: 2 };
    const weights = [writer.convolutional(3, first, activation, true), writer.convolutional(4, { ...grouped, padding: 1 }, activation), writer.convolutional(6, LAST, 'linear')];
    writer.section('yolo', YOLO);
    const change = ACTIVATIONS[activation]!;
    const x = each(convolve(input, first, weights[0]!), change);
    const expected = convolve(each(convolve(x, grouped, weights[1]!), change), LAST, weights[2]!);
    expect(largestDifference((await headOf(writer)).head, expected.data)).toBeLessThan(1e-5);
  });

  test.each([
    ['pads one at the far side by itself', 'size=2 stride=2', 2, 2, 1],
    ['stride 1 keeps the size', 'size=2 stride=1', 2, 1, 1],
    ['a pyramid window of 5', 'size=5 stride=1', 5, 1, 4],
    ['without padding', 'size=2 stride=2 padding=0', 2, 2, 0],
  ])('maxpool %s', async (_, text, size, stride, padding) => {
    const writer = new NetworkWriter(24, 16);
    writer.section('maxpool', text);
    const weights = writer.convolutional(3, LAST, 'linear');
    writer.section('yolo', YOLO);
    const expected = convolve(maxPool(input, size, stride, padding), LAST, weights);
    expect(largestDifference((await headOf(writer)).head, expected.data)).toBeLessThan(1e-5);
  });

  test('route with groups, concatenation, upsampling, dropout, shortcut of several layers', async () => {
    const writer = new NetworkWriter(24, 16);
    const down = { filters: 4, size: 2, stride: 2, padding: 0 };
    const same = { filters: 4, size: 3, stride: 1, padding: 1 };
    const a = writer.convolutional(3, down, 'leaky');
    const b = writer.convolutional(4, same, 'relu');
    writer.section('dropout', 'probability=.5');
    writer.section('shortcut', 'from=-3,1 activation=leaky');
    writer.section('route', 'layers=-1 groups=2 group_id=1');
    writer.section('upsample', 'stride=2');
    writer.section('maxpool', 'size=2 stride=2 padding=0');
    writer.section('route', 'layers=-1,0');
    const last = writer.convolutional(6, LAST, 'linear');
    writer.section('yolo', YOLO);
    const layer0 = each(convolve(input, down, a), ACTIVATIONS['leaky']!);
    const layer1 = each(convolve(layer0, same, b), ACTIVATIONS['relu']!);
    const sum = each(each(layer1, (value, i) => value + layer0.data[i]! + layer1.data[i]!), ACTIVATIONS['leaky']!);
    const joined = stack(maxPool(upsample(channelsOf(sum, 2, 2), 2), 2, 2, 0), layer0);
    expect(largestDifference((await headOf(writer)).head, convolve(joined, LAST, last).data)).toBeLessThan(1e-5);
  });

  test('squeeze and excitation: avgpool and scale_channels', async () => {
    const writer = new NetworkWriter(24, 16);
    const same = { filters: 4, size: 3, stride: 1, padding: 1 };
    const a = writer.convolutional(3, same, 'leaky');
    writer.section('avgpool', '');
    const b = writer.convolutional(4, { filters: 4, size: 1, stride: 1, padding: 0 }, 'logistic');
    writer.section('scale_channels', 'from=0');
    const last = writer.convolutional(4, LAST, 'linear');
    writer.section('yolo', YOLO);
    const layer0 = each(convolve(input, same, a), ACTIVATIONS['leaky']!);
    const means = picture(4, 1, 1, (channel) => layer0.data.subarray(channel * 384, (channel + 1) * 384).reduce((sum, value) => sum + value, 0) / 384);
    const gates = each(convolve(means, { filters: 4, size: 1, stride: 1, padding: 0 }, b), ACTIVATIONS['logistic']!);
    const scaled = each(layer0, (value, i) => value * gates.data[Math.floor(i / 384)]!);
    expect(largestDifference((await headOf(writer)).head, convolve(scaled, LAST, last).data)).toBeLessThan(1e-5);
  });
});

describe('facts of the heads', () => {
  test('mask picks anchors, scale_x_y is kept, a region head has pixels for cells', () => {
    const yolo = new NetworkWriter(24, 16, 'letter_box=1');
    yolo.convolutional(3, { ...LAST, size: 8, stride: 8 }, 'linear');
    yolo.section('yolo', 'mask=1 anchors=10,14,23,27 classes=1 scale_x_y=1.05');
    const imported = importDarknet(yolo.cfg, yolo.weights());
    expect(imported.head).toEqual({ kind: 'darknet', scales: [{ output: 'yolo_0', stride: 8, anchors: [[23, 27]], scaleXy: 1.05 }] });
    expect(imported.input.fit).toBe('letterbox');
    const region = new NetworkWriter(24, 16);
    region.convolutional(3, { ...LAST, size: 8, stride: 8 }, 'linear');
    region.section('region', 'anchors=1,1.5 classes=1 softmax=1');
    expect(importDarknet(region.cfg, region.weights()).head).toEqual({ kind: 'tiny-yolov2', scales: [{ output: 'region_0', stride: 8, anchors: [[8, 12]] }] });
  });

  test('another size is a matter of the option', () => {
    const writer = new NetworkWriter(24, 16);
    writer.convolutional(3, { ...LAST, size: 8, stride: 8 }, 'linear');
    writer.section('yolo', YOLO);
    expect(importDarknet(writer.cfg, writer.weights(), { size: { width: 64, height: 32 } }).input).toMatchObject({ width: 64, height: 32 });
    expect(() => importDarknet(writer.cfg, writer.weights(), { size: { width: 60, height: 32 } })).toThrow(/no whole stride/);
  });
});

describe('what cannot be imported', () => {
  const valid = (): NetworkWriter => {
    const writer = new NetworkWriter(24, 16);
    writer.convolutional(3, { ...LAST, size: 8, stride: 8 }, 'linear');
    return writer;
  };
  const withSection = (kind: string, text: string): NetworkWriter => {
    const writer = valid();
    writer.section(kind, text);
    return writer;
  };

  test.each<[string, NetworkWriter, string, RegExp]>([
    ['an unknown layer', withSection('crnn', 'output=3'), 'ERR_MODEL_UNSUPPORTED_OP', /\[crnn\] of line \d+/],
    ['an unknown activation', withSection('convolutional', 'filters=1 activation=selu'), 'ERR_MODEL_UNSUPPORTED_OP', /activation selu/],
    ['an option that changes the arithmetic', withSection('convolutional', 'filters=1 xnor=1'), 'ERR_MODEL_UNSUPPORTED_OP', /xnor/],
    ['new coordinates of YOLOv4', withSection('yolo', `${YOLO} new_coords=1`), 'ERR_MODEL_UNSUPPORTED_OP', /new_coords/],
    ['a head whose filters do not fit its classes', withSection('yolo', 'mask=0,1 anchors=10,14,23,27 classes=1'), 'ERR_MODEL_IMPORT', /need 12 filters before it, found 6/],
    ['a mask without its anchor', withSection('yolo', 'mask=2 anchors=10,14,23,27 classes=1'), 'ERR_MODEL_IMPORT', /among the 2/],
    ['a route to nowhere', withSection('route', 'layers=-7'), 'ERR_MODEL_IMPORT', /layer -7/],
    ['no head', valid(), 'ERR_MODEL_IMPORT', /no \[yolo\]/],
    ['a size that is no number', withSection('maxpool', 'size=two'), 'ERR_MODEL_IMPORT', /Expected numbers for size/],
  ])('%s', (_, writer, code, message) => {
    expect(() => importDarknet(writer.cfg, writer.weights())).toThrow(expect.objectContaining({ code, message: expect.stringMatching(message) as string }) as Error);
  });

  test.each<[string, Parameters<NetworkWriter['weights']>[0], RegExp]>([
    ['too few weights: both counts are told', { drop: 2 }, /describes 1158 weights, the file holds 1156/],
    ['too many', { extra: [1] }, /describes 1158 weights, the file holds 1159/],
    ['another kind of file', { header: [0x46554747, 3, 0, 0, 0] }, /header says version/],
  ])('%s', (_, change, message) => {
    const writer = withSection('yolo', YOLO);
    expect(() => importDarknet(writer.cfg, writer.weights(change))).toThrow(expect.objectContaining({ code: 'ERR_MODEL_IMPORT', message: expect.stringMatching(message) as string }) as Error);
  });

  test('an old header counts the pictures in 4 bytes', () => {
    const writer = withSection('yolo', YOLO);
    expect(importDarknet(writer.cfg, writer.weights({ header: [0, 1, 0, 0] })).classCount).toBe(1);
  });

  test.each(['', 'width=3', '[net]\nwidth\n', '<html></html>'])('a text that is no cfg: %j', (text) => {
    expect(() => importDarknet(text, new Uint8Array(24))).toThrow(expect.objectContaining({ code: 'ERR_MODEL_IMPORT' }) as Error);
  });
});
