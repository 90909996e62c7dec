import type { HeadKind, ModelManifest } from '../../src/core/manifest.js';
import type { ModelOutputs, OutputTensor } from '../../src/detector/decoder.js';
import { manifestOf } from './manifest.js';
import { normal } from './random.js';

/** One head to test: its manifest, and outputs of its shapes whose numbers come from what a network would give. */
export interface HeadCase {
  readonly name: string;
  readonly manifest: ModelManifest;
  readonly outputs: (random: () => number) => ModelOutputs;
}

const SCALES_OF_TWO = [
  { output: 'coarse', stride: 16, anchors: [[12, 9], [30, 20], [50, 60]] },
  { output: 'fine', stride: 8, anchors: [[5, 6]] },
] as const;

function tensor(dims: readonly number[], value: (index: number) => number): OutputTensor {
  const size = dims.reduce((a, b) => a * b, 1);
  return { dims, data: Float32Array.from({ length: size }, (_, index) => value(index)) };
}

/** Raw anchor heads of `manifestOf`'s 64 x 32 input: logits around -1. */
function anchorOutputs(manifest: ModelManifest): HeadCase['outputs'] {
  const classes = manifest.head.classes === false ? 0 : manifest.labels.length;
  return (random) =>
    Object.fromEntries(
      manifest.head.scales!.map(({ output, stride, anchors }) => {
        const dims = [1, anchors!.length * (5 + classes), 32 / stride, 64 / stride];
        return [output!, tensor(dims, () => normal(random, -0.5, 1.5))];
      }),
    );
}

/** Rows or columns of `cx cy w h objectness? classes`, in pixels. */
function boxNumber(random: () => number, field: number): number {
  if (field < 2) return random() * (field === 0 ? 64 : 32);
  return field < 4 ? 2 + random() * 20 : random();
}

function rowsOf(columns: readonly string[], labels: number): HeadCase['outputs'] {
  return (random) => ({
    output0: tensor([1, 40, columns.length], (index) => {
      const column = columns[index % columns.length]!;
      if (column === 'score') return random();
      if (column === 'class') return Math.floor(random() * labels);
      return (column.endsWith('1') ? 0 : 25) + random() * 30;
    }),
  });
}

function anchored(name: string, kind: HeadKind, labels: number, extra: Partial<ModelManifest['head']> = {}): HeadCase {
  const manifest = manifestOf({ kind, scales: SCALES_OF_TWO, ...extra }, labels);
  return { name, manifest, outputs: anchorOutputs(manifest) };
}

const ROW_COLUMNS = ['score', 'class', 'y1', 'x1', 'y2', 'x2'] as const;
const YOLOX_CELLS = 4 * 8 + 2 * 4 + 2;

/** Every head, with uneven anchors, odd column orders and one class where that is a case of its own. */
export const HEADS: readonly HeadCase[] = [
  anchored('darknet, 5 classes', 'darknet', 5),
  anchored('darknet, scale_x_y', 'darknet', 3, { scales: SCALES_OF_TWO.map((scale, i) => ({ ...scale, scaleXy: 1.05 + i * 0.15 })) }),
  anchored('darknet, no classes', 'darknet', 1, { classes: false }),
  anchored('yolov5-raw, 5 classes', 'yolov5-raw', 5),
  anchored('yolov5-raw, no classes', 'yolov5-raw', 1, { classes: false }),
  anchored('tiny-yolov2, 5 classes', 'tiny-yolov2', 5),
  anchored('tiny-yolov2, one class', 'tiny-yolov2', 1),
  anchored('tiny-yolov2, no classes', 'tiny-yolov2', 1, { classes: false }),
  { name: 'yolov5', manifest: manifestOf({ kind: 'yolov5' }, 4), outputs: (random) => ({ output0: tensor([1, 60, 9], (i) => boxNumber(random, i % 9)) }) },
  { name: 'yolov8', manifest: manifestOf({ kind: 'yolov8' }, 4), outputs: (random) => ({ output0: tensor([1, 8, 60], (i) => boxNumber(random, Math.floor(i / 60))) }) },
  {
    name: 'yolox',
    manifest: manifestOf({ kind: 'yolox', output: 'output0', scales: [{ stride: 8 }, { stride: 16 }, { stride: 32 }] }, 4),
    outputs: (random) => ({ output0: tensor([1, YOLOX_CELLS, 9], (i) => (i % 9 < 4 ? normal(random, 0, 0.7) : random())) }),
  },
  { name: 'yolov10', manifest: manifestOf({ kind: 'yolov10' }, 4), outputs: rowsOf(['x1', 'y1', 'x2', 'y2', 'score', 'class'], 4) },
  { name: 'rows', manifest: manifestOf({ kind: 'rows', columns: ROW_COLUMNS }, 4), outputs: rowsOf(ROW_COLUMNS, 4) },
];
