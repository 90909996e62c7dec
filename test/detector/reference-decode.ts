/**
 * Decoding as the papers and the original implementations describe it, dense and in float64: every cell is decoded, every class scored,
 * then filtered, then suppressed pair by pair. Slow, and written apart from the product's code, which it judges.
 */
import type { ImageFit } from '../../src/core/image-fit.js';
import type { HeadKind, ModelManifest } from '../../src/core/manifest.js';
import type { Size } from '../../src/core/frame.js';
import type { DecodeThresholds, ModelOutputs, OutputTensor } from '../../src/detector/decoder.js';

export interface ReferenceBox {
  readonly xyxy: readonly [number, number, number, number];
  readonly confidence: number;
  readonly classId: number;
}

/** A box and the confidence of each class. */
interface DenseBox {
  readonly centre: readonly [number, number];
  readonly size: readonly [number, number];
  readonly classConfidence: readonly number[];
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const range = (n: number) => Array.from({ length: n }, (_, i) => i);

function at({ data, dims }: OutputTensor, ...index: number[]): number {
  return data[index.reduce((offset, i, axis) => offset * dims[axis]! + i, 0)]!;
}

function softmax(logits: readonly number[]): number[] {
  const exps = logits.map((x) => Math.exp(x));
  const sum = exps.reduce((a, b) => a + b, 0);
  return exps.map((e) => e / sum);
}

/** Raw anchor heads: channel `anchor * (5 + classes) + k` of cell (gx, gy). */
function anchorBoxes(manifest: ModelManifest, outputs: ModelOutputs, toProbabilities: (logits: number[]) => number[], sizeFactor = Math.exp, usualScaleXy = 1): DenseBox[] {
  const classes = manifest.head.classes === false ? 0 : manifest.labels.length;
  return manifest.head.scales!.flatMap(({ output, stride, anchors, scaleXy = usualScaleXy }) => {
    const tensor = outputs[output!]!;
    return anchors!.flatMap(([anchorWidth, anchorHeight], anchor) =>
      range(tensor.dims[2]!).flatMap((gy) =>
        range(tensor.dims[3]!).map((gx): DenseBox => {
          const channel = (k: number) => at(tensor, 0, anchor * (5 + classes) + k, gy, gx);
          const offset = (x: number) => scaleXy * sigmoid(x) - 0.5 * (scaleXy - 1);
          const objectness = sigmoid(channel(4));
          return {
            centre: [(gx + offset(channel(0))) * stride, (gy + offset(channel(1))) * stride],
            size: [anchorWidth * sizeFactor(channel(2)), anchorHeight * sizeFactor(channel(3))],
            classConfidence: classes === 0 ? [objectness] : toProbabilities(range(classes).map((c) => channel(5 + c))).map((p) => p * objectness),
          };
        }),
      ),
    );
  });
}

function yolov5Boxes({ labels }: ModelManifest, tensor: OutputTensor): DenseBox[] {
  return range(tensor.dims[1]!).map((n) => ({
    centre: [at(tensor, 0, n, 0), at(tensor, 0, n, 1)],
    size: [at(tensor, 0, n, 2), at(tensor, 0, n, 3)],
    classConfidence: labels.map((_, c) => at(tensor, 0, n, 4) * at(tensor, 0, n, 5 + c)),
  }));
}

function yolov8Boxes({ labels }: ModelManifest, tensor: OutputTensor): DenseBox[] {
  return range(tensor.dims[2]!).map((n) => ({
    centre: [at(tensor, 0, 0, n), at(tensor, 0, 1, n)],
    size: [at(tensor, 0, 2, n), at(tensor, 0, 3, n)],
    classConfidence: labels.map((_, c) => at(tensor, 0, 4 + c, n)),
  }));
}

function yoloxBoxes({ labels, head, input }: ModelManifest, tensor: OutputTensor): DenseBox[] {
  const cells = head.scales!.flatMap(({ stride }) =>
    range(input.height / stride).flatMap((gy) => range(input.width / stride).map((gx) => ({ gx, gy, stride }))),
  );
  return cells.map(({ gx, gy, stride }, n) => ({
    centre: [(at(tensor, 0, n, 0) + gx) * stride, (at(tensor, 0, n, 1) + gy) * stride],
    size: [Math.exp(at(tensor, 0, n, 2)) * stride, Math.exp(at(tensor, 0, n, 3)) * stride],
    classConfidence: labels.map((_, c) => at(tensor, 0, n, 4) * at(tensor, 0, n, 5 + c)),
  }));
}

function rowBoxes({ labels }: ModelManifest, tensor: OutputTensor, columns: readonly string[]): DenseBox[] {
  return range(tensor.dims[1]!).map((n) => {
    const column = (name: string) => at(tensor, 0, n, columns.indexOf(name));
    return {
      centre: [(column('x1') + column('x2')) / 2, (column('y1') + column('y2')) / 2],
      size: [column('x2') - column('x1'), column('y2') - column('y1')],
      classConfidence: labels.map((_, c) => (c === column('class') ? column('score') : 0)),
    };
  });
}

const DENSE: Record<HeadKind, (manifest: ModelManifest, outputs: ModelOutputs) => DenseBox[]> = {
  darknet: (manifest, outputs) => anchorBoxes(manifest, outputs, (logits) => logits.map(sigmoid)),
  'tiny-yolov2': (manifest, outputs) => anchorBoxes(manifest, outputs, softmax),
  'yolov5-raw': (manifest, outputs) => anchorBoxes(manifest, outputs, (logits) => logits.map(sigmoid), (x) => 4 * sigmoid(x) * sigmoid(x), 2),
  yolov5: (manifest, outputs) => yolov5Boxes(manifest, outputs['output0']!),
  yolov8: (manifest, outputs) => yolov8Boxes(manifest, outputs['output0']!),
  yolox: (manifest, outputs) => yoloxBoxes(manifest, outputs['output0']!),
  yolov10: (manifest, outputs) => rowBoxes(manifest, outputs['output0']!, ['x1', 'y1', 'x2', 'y2', 'score', 'class']),
  rows: (manifest, outputs) => rowBoxes(manifest, outputs['output0']!, manifest.head.columns!),
};

const END_TO_END: readonly HeadKind[] = ['yolov10', 'rows'];

export function referenceDecode(
  manifest: ModelManifest,
  outputs: ModelOutputs,
  { confidenceThreshold, iouThreshold, maxDetections, multiLabel = false }: DecodeThresholds,
  fit: ImageFit,
  source: Size,
): { boxes: ReferenceBox[]; boxesBeforeNms: number } {
  const candidates = DENSE[manifest.head.kind](manifest, outputs)
    .flatMap(({ centre: [x, y], size: [w, h], classConfidence }) => {
      const best = classConfidence.indexOf(Math.max(...classConfidence));
      const box = [x - w / 2, y - h / 2, x + w / 2, y + h / 2].map(Math.fround) as [number, number, number, number];
      return classConfidence.map((confidence, classId) => ({ xyxy: box, confidence, classId })).filter(({ classId }) => multiLabel || classId === best);
    })
    .filter(({ confidence, xyxy: [left, top, right, bottom] }) => confidence > confidenceThreshold && right > left && bottom > top);
  const sorted = candidates.map((box) => ({ ...box, confidence: Math.fround(box.confidence) })).sort((a, b) => b.confidence - a.confidence);
  const kept: ReferenceBox[] = [];
  for (const box of sorted) {
    const duplicate = !END_TO_END.includes(manifest.head.kind) && kept.some((other) => other.classId === box.classId && iou(other.xyxy, box.xyxy) > iouThreshold);
    if (!duplicate) kept.push(box);
  }
  const boxes = kept.slice(0, maxDetections).map((box) => ({ ...box, xyxy: toSource(box.xyxy, fit, source) }));
  return { boxes: boxes.filter(({ xyxy }) => xyxy[2] > xyxy[0] && xyxy[3] > xyxy[1]), boxesBeforeNms: candidates.length };
}

function iou(a: ReferenceBox['xyxy'], b: ReferenceBox['xyxy']): number {
  const width = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0]));
  const height = Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]);
  return (width * height) / (areas - width * height);
}

function toSource([left, top, right, bottom]: ReferenceBox['xyxy'], fit: ImageFit, { width, height }: Size): ReferenceBox['xyxy'] {
  const x = (value: number) => Math.min(width, Math.max(0, (value - fit.padX) / fit.scaleX));
  const y = (value: number) => Math.min(height, Math.max(0, (value - fit.padY) / fit.scaleY));
  return [x(left), y(top), x(right), y(bottom)];
}
