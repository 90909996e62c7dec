import type { ModelManifest } from '../../core/manifest.js';
import type { CandidateBuffer } from '../candidate-buffer.js';
import type { HeadScanner } from '../head-scanner.js';
import { findOutput } from '../output-tensor.js';

/**
 * YOLOv8 and YOLO11 exports: `[1, 4 + classes, N]`, a plane each for cx, cy, w, h in pixels and for the probability of every class;
 * there is no objectness.
 */
export function createYolov8Scanner(manifest: ModelManifest): HeadScanner {
  const classCount = manifest.labels.length;
  const reason = `4 + ${classCount} classes, N boxes`;
  const best = new BestClasses();
  return {
    endToEnd: false,
    scan(outputs, { confidenceThreshold, multiLabel }, found) {
      const { data, dims } = findOutput(outputs, manifest.head.output, [1, 4 + classCount, undefined], reason);
      const boxes = dims[2]!;
      if (multiLabel) addEachClass(data, boxes, classCount, confidenceThreshold, found);
      else addBestClasses(data, boxes, best.find(data, boxes, classCount, confidenceThreshold), found);
    },
  };
}

/** Best class of every box. Planes are read front to back, one after the other: by box it would be a cache miss a class. */
class BestClasses {
  score = new Float32Array(0);
  classId = new Int32Array(0);

  /** Boxes without a class over the threshold get class -1. */
  find(data: Float32Array, boxes: number, classCount: number, confidenceThreshold: number): this {
    if (this.score.length !== boxes) {
      this.score = new Float32Array(boxes);
      this.classId = new Int32Array(boxes);
    }
    this.score.fill(confidenceThreshold);
    this.classId.fill(-1);
    for (let classId = 0; classId < classCount; classId += 1) this.#compare(data, (4 + classId) * boxes, classId);
    return this;
  }

  #compare(data: Float32Array, planeAt: number, classId: number): void {
    const { score, classId: best } = this;
    for (let box = 0; box < score.length; box += 1) {
      const candidate = data[planeAt + box]!;
      if (candidate > score[box]!) {
        score[box] = candidate;
        best[box] = classId;
      }
    }
  }
}

function addBestClasses(data: Float32Array, boxes: number, { score, classId }: BestClasses, found: CandidateBuffer): void {
  for (let box = 0; box < boxes; box += 1) {
    if (classId[box]! >= 0) addBox(data, boxes, box, score[box]!, classId[box]!, found);
  }
}

function addEachClass(data: Float32Array, boxes: number, classCount: number, confidenceThreshold: number, found: CandidateBuffer): void {
  for (let classId = 0; classId < classCount; classId += 1) {
    const planeAt = (4 + classId) * boxes;
    for (let box = 0; box < boxes; box += 1) {
      const score = data[planeAt + box]!;
      if (score > confidenceThreshold) addBox(data, boxes, box, score, classId, found);
    }
  }
}

function addBox(data: Float32Array, boxes: number, box: number, confidence: number, classId: number, found: CandidateBuffer): void {
  const centreX = data[box]!;
  const centreY = data[boxes + box]!;
  const halfWidth = data[2 * boxes + box]! / 2;
  const halfHeight = data[3 * boxes + box]! / 2;
  found.add(centreX - halfWidth, centreY - halfHeight, centreX + halfWidth, centreY + halfHeight, confidence, classId);
}
