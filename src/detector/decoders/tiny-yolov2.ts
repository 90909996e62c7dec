import type { ModelManifest } from '../../core/manifest.js';
import type { CandidateBuffer } from '../candidate-buffer.js';
import { indexOfBest } from '../class-scores.js';
import type { HeadScanner, ScanOptions } from '../head-scanner.js';
import type { AnchorCell } from './anchor-grid.js';
import { createAnchorGridScanner } from './anchor-grid.js';

/**
 * YOLOv2's region layer, raw: confidence is sigmoid(objectness) * softmax(classes), or the objectness alone with `classes: false`.
 * Anchors are in pixels of the model input, as everywhere here (Darknet's cfg has them in cells).
 */
export function createTinyYolov2Scanner(manifest: ModelManifest): HeadScanner {
  return createAnchorGridScanner(manifest, addSoftmaxClasses);
}

function addSoftmaxClasses(data: Float32Array, cell: AnchorCell, classCount: number, options: ScanOptions, found: CandidateBuffer): void {
  const best = indexOfBest(data, cell.classesAt, cell.classStep, classCount);
  if (best < 0) return;
  const bestLogit = data[cell.classesAt + best * cell.classStep]!;
  const sum = sumOfExp(data, cell, classCount, bestLogit);
  const first = options.multiLabel ? 0 : best;
  const last = options.multiLabel ? classCount - 1 : best;
  for (let classId = first; classId <= last; classId += 1) {
    const classLogit = data[cell.classesAt + classId * cell.classStep]!;
    const confidence = (cell.objectness * Math.exp(classLogit - bestLogit)) / sum;
    if (confidence > options.confidenceThreshold) found.add(cell.left, cell.top, cell.right, cell.bottom, confidence, classId);
  }
}

/** Relative to the greatest, so that no `exp` overflows. NaN where a logit is broken: then no class is over the threshold. */
function sumOfExp(data: Float32Array, cell: AnchorCell, classCount: number, bestLogit: number): number {
  let sum = 0;
  for (let index = 0, at = cell.classesAt; index < classCount; index += 1, at += cell.classStep) sum += Math.exp(data[at]! - bestLogit);
  return sum;
}
