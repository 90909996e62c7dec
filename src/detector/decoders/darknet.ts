import type { ModelManifest } from '../../core/manifest.js';
import type { CandidateBuffer } from '../candidate-buffer.js';
import { indexOfBest } from '../class-scores.js';
import type { HeadScanner, ScanOptions } from '../head-scanner.js';
import { logit, sigmoid } from '../logit.js';
import type { AnchorCell } from './anchor-grid.js';
import { createAnchorGridScanner } from './anchor-grid.js';

/** Darknet's YOLOv3 and YOLOv4 layers, raw: confidence is sigmoid(objectness) * sigmoid(class). */
export function createDarknetScanner(manifest: ModelManifest): HeadScanner {
  return createAnchorGridScanner(manifest, addSigmoidClasses);
}

/** Classes that are judged each by itself. */
export function addSigmoidClasses(data: Float32Array, cell: AnchorCell, classCount: number, options: ScanOptions, found: CandidateBuffer): void {
  if (options.multiLabel) addEachClass(data, cell, classCount, options, found);
  else addBestClass(data, cell, classCount, options, found);
}

function addBestClass(data: Float32Array, cell: AnchorCell, classCount: number, { confidenceThreshold }: ScanOptions, found: CandidateBuffer): void {
  const best = indexOfBest(data, cell.classesAt, cell.classStep, classCount);
  if (best < 0) return;
  addClass(data[cell.classesAt + best * cell.classStep]!, best, cell, minClassLogit(cell, confidenceThreshold), found);
}

function addEachClass(data: Float32Array, cell: AnchorCell, classCount: number, { confidenceThreshold }: ScanOptions, found: CandidateBuffer): void {
  const minLogit = minClassLogit(cell, confidenceThreshold);
  for (let classId = 0; classId < classCount; classId += 1) {
    addClass(data[cell.classesAt + classId * cell.classStep]!, classId, cell, minLogit, found);
  }
}

/** objectness * sigmoid(x) > threshold, solved for x. */
function minClassLogit(cell: AnchorCell, confidenceThreshold: number): number {
  return logit(confidenceThreshold / cell.objectness);
}

function addClass(classLogit: number, classId: number, cell: AnchorCell, minLogit: number, found: CandidateBuffer): void {
  if (!(classLogit > minLogit && classLogit < Infinity)) return;
  found.add(cell.left, cell.top, cell.right, cell.bottom, cell.objectness * sigmoid(classLogit), classId);
}
