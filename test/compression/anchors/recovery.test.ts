import { describe, expect, test } from 'vitest';
import { headCost, openAnchorModel, pruneAnchorModel, type AnchorModel } from '../../../src/compression/anchors/anchor-head.js';
import { boxFormula } from '../../../src/compression/anchors/box-formula.js';
import { blendHead, recoverHead } from '../../../src/compression/anchors/recovery.js';
import { refitScale } from '../../../src/compression/anchors/refit.js';
import { refitTargets } from '../../../src/compression/anchors/refit-targets.js';
import type { ScaleCells, TeacherCells } from '../../../src/compression/anchors/teacher-cells.js';
import type { HeadKind } from '../../../src/core/manifest.js';
import { readHeadLayers } from '../../../src/onnx/head-layers.js';
import { GraphBuilder } from '../../../src/onnx/graph-builder.js';
import { manifestOf } from '../../detector/manifest.js';
import { pseudoRandom } from '../../onnx/support.js';

const SIZE = 64;
const STRIDE = 8;
const GRID = SIZE / STRIDE;
const FEATURES = 6;
const CLASSES = 2;
const COLUMNS = 5 + CLASSES;
const ANCHORS = [[8, 8], [12, 10]] as const;

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

/** Two anchors of one scale: feature 0 says that the first sees something, feature 1 that the second does; feature 2 tells the class. */
function head(kind: HeadKind): AnchorModel {
  const filters = ANCHORS.length * COLUMNS;
  const weights = new Float32Array(filters * FEATURES);
  const bias = new Float32Array(filters);
  ANCHORS.forEach((_, anchor) => {
    const at = (column: number, feature: number): number => (anchor * COLUMNS + column) * FEATURES + feature;
    weights[at(4, anchor)] = 0.8;
    bias[anchor * COLUMNS + 4] = -5;
    weights[at(0, 3)] = 1;
    weights[at(1, 4)] = 1;
    weights[at(2, 5)] = 0.3;
    weights[at(5, 2)] = 6;
    weights[at(6, 2)] = -6;
  });
  const graph = new GraphBuilder('two-anchors');
  const picture = graph.input('images', 'float32', [1, 3, SIZE, SIZE]);
  const body = graph.node('Conv', [picture, graph.floats('body', [FEATURES, 3, STRIDE, STRIDE], pseudoRandom(FEATURES * 3 * STRIDE ** 2, 1))], { strides: { ints: [STRIDE, STRIDE] } });
  graph.output(graph.node('Conv', [body, graph.floats('w', [filters, FEATURES, 1, 1], weights), graph.floats('b', [filters], bias)]), 'float32', [1, filters, GRID, GRID], 'head');
  const manifest = manifestOf({ kind, scales: [{ output: 'head', stride: STRIDE, anchors: ANCHORS }] }, CLASSES, { width: SIZE, height: SIZE });
  return openAnchorModel({ manifest, onnx: graph.build() });
}

/** Cells in which each anchor sees something now and then, as the full head reads them. */
function teach(full: AnchorModel, pictures = 30): TeacherCells {
  const { weights, bias, filters } = full.layers[0]!;
  const cellsOf = (picture: number): ScaleCells => {
    const random = pseudoRandom(GRID * GRID * FEATURES, picture + 1);
    const cells = Int32Array.from({ length: GRID * GRID }, (_, cell) => cell);
    const features = Float32Array.from(random, (value, i) => (i % FEATURES < 2 ? (value < 0.1 ? 10 : 0) : value * 2 - 1));
    const raw = new Float32Array(cells.length * filters);
    for (const cell of cells) for (let filter = 0; filter < filters; filter += 1) raw[cell * filters + filter] = output(weights, bias, filter, features, cell);
    return { cells, features, raw, weight: new Float32Array(cells.length).fill(1) };
  };
  return { description: 'made up', pictures: Array.from({ length: pictures }, (_, picture) => [cellsOf(picture)]) };
}

function output(weights: Float32Array, bias: Float32Array, filter: number, features: Float32Array, cell: number): number {
  let sum = bias[filter]!;
  for (let i = 0; i < FEATURES; i += 1) sum += weights[filter * FEATURES + i]! * features[cell * FEATURES + i]!;
  return sum;
}

describe.each<HeadKind>(['darknet', 'yolov5-raw', 'tiny-yolov2'])('%s', (kind) => {
  test('the anchor that is left learns what only the other one saw, and forgets nothing', () => {
    const full = head(kind);
    const teacher = teach(full);
    const { weights, handedOn } = recoverHead(full, teacher, [1], { steps: 800, seed: 1 });
    expect(handedOn).toBeGreaterThan(50);
    const fitted = weights.get(0)!;
    const formula = boxFormula(kind, full.scales[0]!);
    const { cells, features, raw } = teach(full, 31).pictures[30]![0]!;
    let [own, learned] = [0, 0];
    for (const cell of cells) {
      const of = (anchor: number, column: number): number => raw[cell * full.layers[0]!.filters + anchor * COLUMNS + column]!;
      const say = (column: number): number => output(fitted.weights, fitted.bias, column, features, cell);
      const [first, second] = [sigmoid(of(0, 4)), sigmoid(of(1, 4))];
      const found = sigmoid(say(4));
      if (first > 0.5) own += 1;
      else if (second > 0.5) learned += 1;
      if (Math.max(first, second) < 0.1) expect(found).toBeLessThan(0.2);
      else expect(found).toBeGreaterThan(0.6);
      if (first > 0.5 || second < 0.5) continue;
      // The same box of another anchor, and its class.
      const widthPx = Math.exp(formula.logSize(of(1, 2))) * ANCHORS[1][0];
      expect(Math.exp(formula.logSize(say(2))) * ANCHORS[0][0]).toBeCloseTo(widthPx, -0.5);
      expect(say(5) > say(6)).toBe(of(1, 5) > of(1, 6));
    }
    expect(own).toBeGreaterThan(2);
    expect(learned).toBeGreaterThan(2);
  });
});

test('with nothing removed there is nothing to learn: the numbers stay', () => {
  const full = head('darknet');
  const [targets] = refitTargets(full, teach(full), []);
  expect(targets!.handedOn).toBe(0);
  const fitted = refitScale(full, targets!, { steps: 100, seed: 1 });
  const { weights } = full.layers[0]!;
  expect(Math.max(...fitted.weights.map((value, i) => Math.abs(value - weights[i]!)))).toBeLessThan(0.05);
});

test('what a kept anchor finds already is not handed on', () => {
  const full = head('darknet');
  const teacher = teach(full);
  const { features, raw, cells } = teacher.pictures[0]![0]!;
  const filters = full.layers[0]!.filters;
  // Both anchors see the very same object in every cell that one of them sees it in.
  for (const cell of cells) for (let column = 0; column < COLUMNS; column += 1) raw[cell * filters + column] = raw[cell * filters + COLUMNS + column]! + (column === 2 ? Math.log(12 / 8) : column === 3 ? Math.log(10 / 8) : 0);
  const one: TeacherCells = { description: '', pictures: [[{ cells, features, raw, weight: new Float32Array(cells.length).fill(1) }]] };
  expect(refitTargets(full, one, [1])[0]!.handedOn).toBe(0);
});

test('the same seed fits the same numbers, half of the way is half of the way', () => {
  const full = head('darknet');
  const teacher = teach(full);
  const [a, b] = [1, 1].map((seed) => recoverHead(full, teacher, [1], { steps: 20, seed }));
  expect(a!.weights).toEqual(b!.weights);
  const [half, none] = [0.5, 0].map((share) => blendHead(full, [1], a!, share).get(0)!);
  const start = full.layers[0]!.bias;
  expect([...none!.bias]).toEqual([...start.subarray(0, COLUMNS)]);
  half!.bias.forEach((value, i) => expect(value).toBeCloseTo((start[i]! + a!.weights.get(0)!.bias[i]!) / 2, 5));
});

test('costs are those of the filters and cells that are left', () => {
  const full = head('darknet');
  const macs = GRID * GRID * COLUMNS * FEATURES;
  expect(headCost(full)).toEqual({ macs: 2 * macs, boxes: 2 * GRID * GRID });
  expect(headCost(full, [1])).toEqual({ macs, boxes: GRID * GRID });
  const pruned = pruneAnchorModel(full, [0]);
  expect(pruned.manifest.head.scales).toEqual([{ output: 'head', stride: STRIDE, anchors: [[12, 10]] }]);
  expect(readHeadLayers(pruned.onnx, pruned.manifest.head, COLUMNS)[0]!.filters).toBe(COLUMNS);
});
