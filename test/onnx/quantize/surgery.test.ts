import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GraphEditor } from '../../../src/onnx/graph-editor.js';
import { graphOf, opsetOf, type ModelProto } from '../../../src/onnx/model-proto.js';
import { equalize } from '../../../src/onnx/quantize/equalize.js';
import { foldBatchNorm } from '../../../src/onnx/quantize/fold-batch-norm.js';
import { fuseHardSigmoids } from '../../../src/onnx/quantize/hard-swish.js';
import { hoistRelus } from '../../../src/onnx/quantize/hoist-relu.js';
import { insertQdq } from '../../../src/onnx/quantize/insert-qdq.js';
import { raiseOpset } from '../../../src/onnx/quantize/raise-opset.js';
import type { GraphBuilder } from '../../../src/onnx/graph-builder.js';
import { changed, distance, numbers, runFloat } from './support.js';

const NEAR = 1e-4;

const shapes = fc.record({
  groups: fc.constantFrom(1, 2, 4),
  perGroup: fc.integer({ min: 1, max: 3 }),
  filtersPerGroup: fc.integer({ min: 1, max: 3 }),
  kernel: fc.constantFrom(1, 3),
  stride: fc.constantFrom(1, 2),
  size: fc.integer({ min: 3, max: 9 }),
  seed: fc.integer({ min: 1, max: 1e6 }),
  hasBias: fc.boolean(),
});
interface Shape {
  readonly groups: number;
  readonly perGroup: number;
  readonly filtersPerGroup: number;
  readonly kernel: number;
  readonly stride: number;
  readonly size: number;
  readonly seed: number;
  readonly hasBias: boolean;
}

const inputDims = ({ groups, perGroup, size }: Shape): number[] => [1, groups * perGroup, size, size];
const outputDims = ({ size, kernel, stride }: Shape, channels: number): number[] => {
  const out = Math.floor((size + 2 * (kernel >> 1) - kernel) / stride) + 1;
  return [1, channels, out, out];
};
const inputOf = (shape: Shape): Float32Array => numbers(inputDims(shape).reduce((a, b) => a * b, 1), shape.seed);

function convolution(graph: GraphBuilder, x: string, { groups, perGroup, filtersPerGroup, kernel, stride, seed, hasBias }: Shape): { readonly name: string; readonly channels: number } {
  const channels = groups * filtersPerGroup;
  const weights = graph.floats(`w_${x}`, [channels, perGroup, kernel, kernel], numbers(channels * perGroup * kernel * kernel, seed + 1));
  const pad = kernel >> 1;
  const name = graph.node('Conv', [x, weights, ...(hasBias ? [graph.floats(`b_${x}`, [channels], numbers(channels, seed + 2))] : [])], {
    group: { i: groups },
    strides: { ints: [stride, stride] },
    pads: { ints: [pad, pad, pad, pad] },
  });
  return { name, channels };
}

async function expectSame(shape: Shape, graphs: { readonly before: Uint8Array; readonly after: Uint8Array }): Promise<void> {
  const [before, after] = [await runFloat(graphs.before, inputDims(shape), inputOf(shape)), await runFloat(graphs.after, inputDims(shape), inputOf(shape))];
  expect(distance(before, after)).toBeLessThan(NEAR);
}

describe('surgery leaves the outputs as they were', () => {
  test('batch normalization folds into any convolution', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, async (shape) => {
        let folded = 0;
        const graphs = changed(
          (graph) => {
            const { name, channels } = convolution(graph, graph.input('x', 'float32', inputDims(shape)), shape);
            const positive = numbers(channels, shape.seed + 6).map((value) => value * value + 0.1);
            const norm = graph.node('BatchNormalization', [name, graph.floats('g', [channels], numbers(channels, shape.seed + 3)), graph.floats('c', [channels], numbers(channels, shape.seed + 4)), graph.floats('m', [channels], numbers(channels, shape.seed + 5)), graph.floats('v', [channels], positive)], { epsilon: { f: 1e-3 } });
            graph.output(graph.node('Relu', [norm]), 'float32', outputDims(shape, channels), 'y');
          },
          (model) => {
            folded = foldBatchNorm(new GraphEditor(model));
          },
        );
        expect(folded).toBe(1);
        await expectSame(shape, graphs);
      }),
      { numRuns: 20 },
    );
  });

  test.each(['Relu', 'LeakyRelu', 'none'] as const)('channels are equalized through %s, into dense and depthwise convolutions', async (activation) => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.boolean(), async (shape, isDepthwise) => {
        let links = 0;
        const graphs = changed(
          (graph) => {
            const { name, channels } = convolution(graph, graph.input('x', 'float32', inputDims(shape)), shape);
            const between = activation === 'none' ? name : graph.node(activation, [name]);
            const next: Shape = { ...shape, groups: isDepthwise ? channels : 1, perGroup: isDepthwise ? 1 : channels, filtersPerGroup: isDepthwise ? 1 : 3, seed: shape.seed + 7, stride: 1 };
            const last = convolution(graph, between, next);
            graph.output(last.name, 'float32', outputDims(shape, last.channels), 'y');
          },
          (model) => {
            links = equalize(new GraphEditor(model), (tensor) => (tensor === 'x' ? undefined : numbers(shape.groups * shape.filtersPerGroup, shape.seed + 9).map(Math.abs)));
          },
        );
        expect(links).toBe(1);
        await expectSame(shape, graphs);
      }),
      { numRuns: 15 },
    );
  });

  test.each([
    ['multiplied after', (graph: GraphBuilder, x: string, gate: string) => graph.node('Mul', [x, graph.node('Mul', [gate, graph.scalar(1 / 6)])])],
    ['multiplied before', (graph: GraphBuilder, x: string, gate: string) => graph.node('Mul', [graph.node('Mul', [graph.scalar(1 / 6), x]), gate])],
    ['divided', (graph: GraphBuilder, x: string, gate: string) => graph.node('Mul', [x, graph.node('Div', [gate, graph.scalar(6)])])],
  ])('a hard-swish in pieces, its sixth %s, becomes two nodes', async (_, finish) => {
    const shape: Shape = { groups: 1, perGroup: 2, filtersPerGroup: 3, kernel: 1, stride: 1, size: 6, seed: 5, hasBias: true };
    const graphs = changed(
      (graph) => {
        const x = convolution(graph, graph.input('x', 'float32', inputDims(shape)), shape).name;
        const wide = graph.node('Mul', [x, graph.scalar(5)]);
        const gate = graph.node('Clip', [graph.node('Add', [wide, graph.scalar(3)]), graph.scalar(0), graph.scalar(6)]);
        graph.output(finish(graph, wide, gate), 'float32', [1, 3, 6, 6], 'y');
      },
      (model) => {
        const editor = new GraphEditor(model);
        expect(fuseHardSigmoids(editor)).toBe(1);
        editor.removeUnused();
        expect(editor.nodes.map(({ opType }) => opType)).toEqual(['Conv', 'Mul', 'HardSigmoid', 'Mul']);
      },
    );
    await expectSame(shape, graphs);
  });

  test('a ReLU behind Concat and nearest Resize moves up to the convolutions', async () => {
    const shape: Shape = { groups: 1, perGroup: 2, filtersPerGroup: 3, kernel: 3, stride: 1, size: 6, seed: 8, hasBias: true };
    const graphs = changed(
      (graph) => {
        const x = graph.input('x', 'float32', inputDims(shape));
        const a = convolution(graph, x, shape).name;
        const pooled = graph.node('MaxPool', [x], { kernel_shape: { ints: [2, 2] }, strides: { ints: [2, 2] } });
        const b = convolution(graph, pooled, shape).name;
        const up = graph.node('Resize', [b, '', graph.floats('scales', [4], Float32Array.of(1, 1, 2, 2))], { mode: { s: 'nearest' }, coordinate_transformation_mode: { s: 'asymmetric' }, nearest_mode: { s: 'floor' } });
        graph.output(graph.node('Relu', [graph.node('Concat', [a, up], { axis: { i: 1 } })]), 'float32', [1, 6, 6, 6], 'y');
      },
      (model) => {
        const editor = new GraphEditor(model);
        expect(hoistRelus(editor)).toBe(2);
        for (const relu of editor.nodes.filter(({ opType }) => opType === 'Relu')) expect(editor.producerOf(relu.input![0]!)?.opType).toBe('Conv');
      },
    );
    await expectSame(shape, graphs);
  });
});

describe('opset', () => {
  const atOpset = (version: number, build: (graph: GraphBuilder) => void, act: (model: ModelProto) => void): void => {
    changed(build, (model) => {
      model.opsetImport[0]!.version = version;
      act(model);
    });
  };

  test('attributes that became inputs move', () => {
    atOpset(
      11,
      (graph) => graph.output(graph.node('Unsqueeze', [graph.node('Squeeze', [graph.input('x', 'float32', [1, 3])], { axes: { ints: [0] } })], { axes: { ints: [1] } }), 'float32', [3, 1], 'y'),
      (model) => {
        raiseOpset(model);
        expect(opsetOf(model)).toBe(13);
        expect(graphOf(model).node!.map(({ input, attribute }) => [input!.length, attribute!.length])).toEqual([[2, 0], [2, 0]]);
      },
    );
  });

  test('a Softmax whose meaning changed is refused by name, a version too old by number', () => {
    const build = (graph: GraphBuilder): void => graph.output(graph.node('Softmax', [graph.input('x', 'float32', [1, 3, 4])], { axis: { i: 1 } }), 'float32', [1, 3, 4], 'y');
    atOpset(12, build, (model) => expect(() => raiseOpset(model)).toThrow(/softmax_0 \(Softmax\)/));
    atOpset(9, build, (model) => expect(() => raiseOpset(model)).toThrow(/opset 9/));
  });
});

describe('bytes', () => {
  const shape: Shape = { groups: 1, perGroup: 2, filtersPerGroup: 3, kernel: 1, stride: 1, size: 6, seed: 3, hasBias: true };

  test('a Concat and what it joins have one scale, and what only floats read stays in float', () => {
    changed(
      (graph) => {
        const x = graph.input('x', 'float32', inputDims(shape));
        const [a, b] = [convolution(graph, x, shape).name, graph.node('Relu', [graph.node('Conv', [x, graph.floats('w2', [3, 2, 1, 1], numbers(6, 4))])])];
        const joined = graph.node('Concat', [a, b], { axis: { i: 1 } });
        const last = graph.node('Conv', [joined, graph.floats('w3', [2, 6, 1, 1], numbers(12, 5))]);
        graph.output(graph.node('Sigmoid', [last]), 'float32', [1, 2, 6, 6], 'y');
      },
      (model) => {
        const convolutions = new Set(graphOf(model).node!.filter(({ opType }) => opType === 'Conv').map(({ output }) => output![0]!));
        const groups: string[][] = [];
        const { byteNodes, scales } = insertQdq(model, {
          convolutions,
          rangeOf: (tensors) => {
            groups.push([...tensors]);
            return { low: -1, high: groups.length };
          },
        });
        const joined = groups.find(({ length }) => length > 1)!;
        expect(joined).toHaveLength(3);
        expect(new Set(joined.map((name) => scales.get(name)!.scale)).size).toBe(1);
        expect(byteNodes.some((name) => name.startsWith('sigmoid'))).toBe(false);
        // The graph's own output keeps its name.
        expect(graphOf(model).node!.some(({ output, opType }) => output![0] === 'y' && opType === 'Sigmoid')).toBe(true);
      },
    );
  });

  test.each(['none', 'all'] as const)('hard-swish on bytes is near the float one, optimisation %s', async (optimization) => {
    const graphs = changed(
      (graph) => {
        const x = convolution(graph, graph.input('x', 'float32', inputDims(shape)), shape).name;
        const swish = graph.node('Mul', [x, graph.node('HardSigmoid', [x], { alpha: { f: 1 / 6 }, beta: { f: 0.5 } })]);
        graph.output(graph.node('Conv', [swish, graph.floats('w2', [2, 3, 1, 1], numbers(6, 4))]), 'float32', [1, 2, 6, 6], 'y');
      },
      (model) => {
        const convolutions = new Set(graphOf(model).node!.filter(({ opType }) => opType === 'Conv').map(({ output }) => output![0]!));
        insertQdq(model, { convolutions, rangeOf: () => ({ low: -2.5, high: 2.5 }) });
        expect(graphOf(model).node!.some(({ opType }) => opType === 'HardSigmoid')).toBe(false);
      },
    );
    const [before, after] = [await runFloat(graphs.before, inputDims(shape), inputOf(shape)), await runFloat(graphs.after, inputDims(shape), inputOf(shape), optimization)];
    expect(distance(before, after)).toBeLessThan(0.06);
  });
});
