import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import type { AddOptions } from '../../src/model-store/draft.js';
import { pseudoRandom } from '../onnx/support.js';

const FLOAT = 1;
const INT64 = 7;
const INT32 = 6;

export interface VariantShape {
  readonly width: number;
  readonly height: number;
  readonly strides: readonly number[];
  readonly classes: number;
  readonly seed: number;
}

/** One detector under construction: what every export has inside, as planes `[1, k, cells]`. */
export interface Detector {
  readonly graph: GraphBuilder;
  readonly shape: VariantShape;
  readonly cells: number;
  /** Raw planes of each scale, `[1, 5 + classes, rows, columns]`. */
  readonly scales: readonly string[];
  /** Offset to the cell in strides. */
  readonly offset: string;
  readonly logSize: string;
  readonly objectnessLogit: string;
  readonly classLogits: string;
  /** Decoded: pixels. */
  readonly centre: string;
  readonly size: string;
  readonly objectness: string;
  readonly classScores: string;
}

/** A detector whose boxes depend on the picture and lie around their cells, as every trained one's do. */
export function detector(shape: VariantShape): Detector {
  const { width, height, strides, classes, seed } = shape;
  const graph = new GraphBuilder('variant');
  const images = graph.input('images', 'float32', [1, 3, height, width]);
  const channels = 5 + classes;
  const scales = strides.map((stride, i) => {
    const dims = [channels, 3, stride, stride];
    const count = channels * 3 * stride * stride;
    const weights = pseudoRandom(count, seed + i + 1).map((value) => ((value - 0.5) * 8) / Math.sqrt(3 * stride * stride));
    return graph.node('Conv', [images, graph.floats(`weight${stride}`, dims, weights)], { strides: { ints: [stride, stride] } });
  });
  const flat = graph.node('Concat', scales.map((raw) => graph.node('Reshape', [raw, graph.ints([1, channels, -1])])), { axis: { i: 2 } });
  const part = (from: number, to: number): string => graph.node('Slice', [flat, graph.ints([from]), graph.ints([to]), graph.ints([1])]);
  const grid = strides.map((stride) => ({ stride, columns: Math.ceil(width / stride), rows: Math.ceil(height / stride) }));
  const cells = grid.reduce((sum, { columns, rows }) => sum + columns * rows, 0);
  const places = grid.flatMap(({ stride, columns, rows }) => Array.from({ length: columns * rows }, (_, i) => ({ stride, x: i % columns, y: Math.floor(i / columns) })));
  const cell = graph.floats('cell', [1, 2, cells], Float32Array.from([...places.map(({ x }) => x), ...places.map(({ y }) => y)]));
  const strideOf = graph.floats('stride', [1, 1, cells], Float32Array.from(places.map(({ stride }) => stride)));
  const offset = graph.node('Add', [graph.node('Tanh', [part(0, 2)]), graph.scalar(0.5)]);
  const logSize = graph.node('Tanh', [part(2, 4)]);
  const objectnessLogit = part(4, 5);
  const classLogits = part(5, channels);
  return {
    graph,
    shape,
    cells,
    scales,
    offset,
    logSize,
    objectnessLogit,
    classLogits,
    centre: graph.node('Mul', [graph.node('Add', [offset, cell]), strideOf]),
    size: graph.node('Mul', [graph.node('Exp', [logSize]), strideOf]),
    objectness: graph.node('Sigmoid', [objectnessLogit]),
    classScores: graph.node('Sigmoid', [classLogits]),
  };
}

/** How a variant's boxes are scored, which the reference has to know. */
export type Scoring = 'with objectness' | 'classes only' | 'best class only';

export interface Variant {
  readonly name: string;
  readonly scoring: Scoring;
  /** Kind that it is read as. */
  readonly kind: string;
  /** Whether nodes have to be put behind it. */
  readonly isRewritten: boolean;
  readonly options?: AddOptions;
  /** Declares the outputs. */
  readonly outputs: (made: Detector) => void;
}

const rows = ({ graph }: Detector, planes: string): string => graph.node('Transpose', [planes], { perm: { ints: [0, 2, 1] } });
const joined = ({ graph }: Detector, parts: readonly string[]): string => graph.node('Concat', parts, { axis: { i: 1 } });
const centred = (made: Detector): string => joined(made, [made.centre, made.size]);

function corners(made: Detector, order: 'xyxy' | 'yxyx' = 'xyxy'): string {
  const { graph, centre, size } = made;
  const half = graph.node('Mul', [size, graph.scalar(0.5)]);
  const both = joined(made, [graph.node('Sub', [centre, half]), graph.node('Add', [centre, half])]);
  return order === 'xyxy' ? both : graph.node('Gather', [both, graph.ints([1, 0, 3, 2])], { axis: { i: 1 } });
}

/** Four planes in fractions of the picture. */
function fractions(made: Detector, boxes: string): string {
  const { width, height } = made.shape;
  return made.graph.node('Mul', [boxes, made.graph.floats('toFractions', [1, 4, 1], Float32Array.of(1 / width, 1 / height, 1 / width, 1 / height))]);
}

function output(made: Detector, tensor: string, dims: readonly number[], name: string): void {
  made.graph.output(tensor, 'float32', dims, name);
}

function reshaped({ graph }: Detector, tensor: string, dims: readonly number[]): string {
  return graph.node('Reshape', [tensor, graph.ints(dims)]);
}

/** Best class of every cell, finished or not: planes of score and class. */
function best(made: Detector): { readonly score: string; readonly classId: string } {
  const { graph, classScores } = made;
  return {
    score: graph.node('ReduceMax', [classScores], { axes: { ints: [1] } }),
    classId: graph.node('ArgMax', [classScores], { axis: { i: 1 } }),
  };
}

const toFloat = ({ graph }: Detector, tensor: string): string => graph.node('Cast', [tensor], { to: { i: FLOAT } });

/** Rows of finished boxes in the given order of planes. */
function finishedRows(made: Detector, order: (planes: { boxes: string; score: string; classId: string; batch: string }) => readonly string[], boxes = corners(made)): string {
  const { score, classId } = best(made);
  const batch = made.graph.node('Mul', [score, made.graph.scalar(0)]);
  return rows(made, joined(made, order({ boxes, score, classId: toFloat(made, classId), batch })));
}

/** Every order of tensors, columns and numbers that YOLO exports are known to have. */
export const VARIANTS: readonly Variant[] = [
  { name: 'YOLOv8 [1,4+C,N]', scoring: 'classes only', kind: 'yolov8', isRewritten: false, outputs: (m) => output(m, joined(m, [centred(m), m.classScores]), [1, 4 + m.shape.classes, m.cells], 'output0') },
  { name: 'YOLOv8 turned [1,N,4+C]', scoring: 'classes only', kind: 'yolov8', isRewritten: true, outputs: (m) => output(m, rows(m, joined(m, [centred(m), m.classScores])), [1, m.cells, 4 + m.shape.classes], 'output0') },
  { name: 'YOLOv8 without a batch [4+C,N]', scoring: 'classes only', kind: 'yolov8', isRewritten: true, outputs: (m) => output(m, reshaped(m, joined(m, [centred(m), m.classScores]), [4 + m.shape.classes, m.cells]), [4 + m.shape.classes, m.cells], 'output0') },
  { name: 'YOLOv8 in corners [1,4+C,N]', scoring: 'classes only', kind: 'yolov8', isRewritten: true, outputs: (m) => output(m, joined(m, [corners(m), m.classScores]), [1, 4 + m.shape.classes, m.cells], 'output0') },
  { name: 'YOLOv8 in fractions [1,4+C,N]', scoring: 'classes only', kind: 'yolov8', isRewritten: true, outputs: (m) => output(m, joined(m, [fractions(m, centred(m)), m.classScores]), [1, 4 + m.shape.classes, m.cells], 'output0') },
  { name: 'YOLOv8 with logits [1,4+C,N]', scoring: 'classes only', kind: 'yolov8', isRewritten: true, outputs: (m) => output(m, joined(m, [centred(m), m.classLogits]), [1, 4 + m.shape.classes, m.cells], 'output0') },
  { name: 'YOLOX [1,N,5+C], undecoded', scoring: 'with objectness', kind: 'yolox', isRewritten: false, outputs: (m) => output(m, rows(m, joined(m, [m.offset, m.logSize, m.objectness, m.classScores])), [1, m.cells, 5 + m.shape.classes], 'output') },
  { name: 'YOLOX without a batch [N,5+C]', scoring: 'with objectness', kind: 'yolox', isRewritten: true, outputs: (m) => output(m, reshaped(m, rows(m, joined(m, [m.offset, m.logSize, m.objectness, m.classScores])), [m.cells, 5 + m.shape.classes]), [m.cells, 5 + m.shape.classes], 'output') },
  { name: 'YOLOX and YOLOv6 decoded [1,N,5+C]', scoring: 'with objectness', kind: 'yolov5', isRewritten: false, outputs: (m) => output(m, rows(m, joined(m, [centred(m), m.objectness, m.classScores])), [1, m.cells, 5 + m.shape.classes], 'outputs') },
  { name: 'the same in corners and fractions', scoring: 'with objectness', kind: 'yolov5', isRewritten: true, outputs: (m) => output(m, rows(m, joined(m, [fractions(m, corners(m)), m.objectness, m.classScores])), [1, m.cells, 5 + m.shape.classes], 'outputs') },
  { name: 'the same with logits', scoring: 'with objectness', kind: 'yolov5', isRewritten: true, outputs: (m) => output(m, rows(m, joined(m, [centred(m), m.objectnessLogit, m.classLogits])), [1, m.cells, 5 + m.shape.classes], 'outputs') },
  {
    name: 'YOLO-NAS, DAMO-YOLO: corners [1,N,4] and scores [1,N,C]',
    scoring: 'classes only',
    kind: 'yolov8',
    isRewritten: true,
    outputs: (m) => {
      output(m, rows(m, corners(m)), [1, m.cells, 4], 'boxes');
      output(m, rows(m, m.classScores), [1, m.cells, m.shape.classes], 'scores');
    },
  },
  {
    name: 'YOLOv4 converted: corners in fractions [1,N,1,4], scores first',
    scoring: 'classes only',
    kind: 'yolov8',
    isRewritten: true,
    outputs: (m) => {
      output(m, rows(m, m.classScores), [1, m.cells, m.shape.classes], 'confs');
      output(m, reshaped(m, rows(m, fractions(m, corners(m))), [1, m.cells, 1, 4]), [1, m.cells, 1, 4], 'boxes');
    },
  },
  {
    name: 'PP-YOLOE: corners [1,N,4] and scores [1,C,N]',
    scoring: 'classes only',
    kind: 'yolov8',
    isRewritten: true,
    outputs: (m) => {
      output(m, rows(m, corners(m)), [1, m.cells, 4], 'tmp_16');
      output(m, m.classScores, [1, m.shape.classes, m.cells], 'concat_14.tmp_0');
    },
  },
  {
    name: 'Keras: y before x, boxes [1,N,4] and scores [1,C,N]',
    scoring: 'classes only',
    kind: 'yolov8',
    isRewritten: true,
    outputs: (m) => {
      output(m, rows(m, corners(m, 'yxyx')), [1, m.cells, 4], 'boxes');
      output(m, m.classScores, [1, m.shape.classes, m.cells], 'scores');
    },
  },
  {
    name: 'boxes, objectness and classes apart',
    scoring: 'with objectness',
    kind: 'yolov5',
    isRewritten: true,
    outputs: (m) => {
      output(m, rows(m, corners(m)), [1, m.cells, 4], 'boxes');
      output(m, rows(m, m.objectness), [1, m.cells, 1], 'objectness');
      output(m, rows(m, m.classScores), [1, m.cells, m.shape.classes], 'classes');
    },
  },
  {
    name: 'YOLOX, a grid a scale',
    scoring: 'with objectness',
    kind: 'yolox',
    isRewritten: true,
    options: { head: 'yolox' },
    outputs: (m) => gridOutputs(m, (grid, dims, i) => output(m, grid, dims, `scale${i}`)),
  },
  {
    name: 'YOLOX, a grid a scale, channels last',
    scoring: 'with objectness',
    kind: 'yolox',
    isRewritten: true,
    options: { head: 'yolox' },
    outputs: (m) => gridOutputs(m, (grid, [, channels, height, width], i) => output(m, m.graph.node('Transpose', [grid], { perm: { ints: [0, 2, 3, 1] } }), [1, height!, width!, channels!], `scale${i}`)),
  },
  {
    name: 'YOLOX, boxes, objectness and classes of a scale apart',
    scoring: 'with objectness',
    kind: 'yolox',
    isRewritten: true,
    outputs: (m) =>
      gridOutputs(m, (grid, [, channels, height, width], i) => {
        for (const [name, from, to] of [['cls', 5, channels!], ['reg', 0, 4], ['obj', 4, 5]] as const) {
          output(m, m.graph.node('Slice', [grid, m.graph.ints([from]), m.graph.ints([to]), m.graph.ints([1])]), [1, to - from, height!, width!], `${name}${i}`);
        }
      }),
  },
  { name: 'YOLOv10 [1,N,6]', scoring: 'best class only', kind: 'yolov10', isRewritten: false, outputs: (m) => output(m, firstRows(m, finishedRows(m, ({ boxes, score, classId }) => [boxes, score, classId])), [1, FINISHED, 6], 'output0') },
  { name: 'finished rows, class before score', scoring: 'best class only', kind: 'rows', isRewritten: true, outputs: (m) => output(m, firstRows(m, finishedRows(m, ({ boxes, score, classId }) => [boxes, classId, score])), [1, FINISHED, 6], 'output0') },
  { name: 'PP-YOLOE, finished: class, score, corners', scoring: 'best class only', kind: 'rows', isRewritten: true, outputs: (m) => output(m, reshaped(m, firstRows(m, finishedRows(m, ({ boxes, score, classId }) => [classId, score, boxes])), [-1, 6]), [FINISHED, 6], 'multiclass_nms3_0.tmp_0') },
  { name: 'finished rows in fractions', scoring: 'best class only', kind: 'rows', isRewritten: true, outputs: (m) => output(m, firstRows(m, finishedRows(m, ({ boxes, score, classId }) => [boxes, score, classId], fractions(m, corners(m)))), [1, FINISHED, 6], 'output0') },
  { name: 'YOLOv7, end to end [N,7]', scoring: 'best class only', kind: 'rows', isRewritten: true, outputs: (m) => output(m, reshaped(m, firstRows(m, finishedRows(m, ({ boxes, score, classId, batch }) => [batch, boxes, classId, score])), [-1, 7]), [FINISHED, 7], 'output') },
  {
    name: 'num_dets, det_boxes, det_scores, det_classes',
    scoring: 'best class only',
    kind: 'rows',
    isRewritten: true,
    outputs: (m) => {
      const { score, classId } = best(m);
      const { graph } = m;
      graph.output(graph.node('Cast', [graph.int64s([1, 1], [FINISHED])], { to: { i: INT32 } }), 'int32', [1, 1], 'num_dets');
      output(m, firstRows(m, rows(m, corners(m))), [1, FINISHED, 4], 'det_boxes');
      output(m, reshaped(m, firstRows(m, rows(m, score)), [1, FINISHED]), [1, FINISHED], 'det_scores');
      graph.output(graph.node('Cast', [reshaped(m, firstRows(m, rows(m, classId)), [1, FINISHED])], { to: { i: INT32 } }), 'int32', [1, FINISHED], 'det_classes');
    },
  },
  {
    name: 'mmdeploy: dets [1,N,5] and labels [1,N]',
    scoring: 'best class only',
    kind: 'rows',
    isRewritten: true,
    outputs: (m) => {
      const { score, classId } = best(m);
      output(m, firstRows(m, rows(m, joined(m, [corners(m), score]))), [1, FINISHED, 5], 'dets');
      m.graph.output(m.graph.node('Cast', [reshaped(m, firstRows(m, rows(m, classId)), [1, FINISHED])], { to: { i: INT64 } }), 'int64', [1, FINISHED], 'labels');
    },
  },
];

/** Rows that a model with suppression inside gives. */
export const FINISHED = 50;

function firstRows({ graph }: Detector, table: string): string {
  return graph.node('Slice', [table, graph.ints([0]), graph.ints([FINISHED]), graph.ints([1])]);
}

/** Undecoded planes of each scale as YOLOX has them before they are joined. */
function gridOutputs(made: Detector, declare: (grid: string, dims: readonly number[], scale: number) => void): void {
  const { graph, shape } = made;
  const channels = 5 + shape.classes;
  const all = joined(made, [made.offset, made.logSize, made.objectness, made.classScores]);
  let from = 0;
  for (const [i, stride] of shape.strides.entries()) {
    const [height, width] = [Math.ceil(shape.height / stride), Math.ceil(shape.width / stride)];
    const part = graph.node('Slice', [all, graph.ints([from]), graph.ints([from + height * width]), graph.ints([2])]);
    declare(reshaped(made, part, [1, channels, height, width]), [1, channels, height, width], i);
    from += height * width;
  }
}

/** Class names as Ultralytics writes them. */
export function namesMetadata(classes: number): Record<string, string> {
  return { names: JSON.stringify(Array.from({ length: classes }, (_, i) => `thing ${i}`)) };
}
