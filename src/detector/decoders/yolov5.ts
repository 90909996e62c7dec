import type { ModelManifest } from '../../core/manifest.js';
import { classCountOf } from '../head-scales.js';
import type { HeadScanner } from '../head-scanner.js';
import { findOutput } from '../output-tensor.js';
import { addRowClasses } from './box-rows.js';
import type { BoxRow } from './box-rows.js';

/** YOLOv5-style exports, decoded inside the model: `[1, N, 5 + classes]` of cxcywh in pixels, objectness and classes as probabilities. */
export function createYolov5Scanner(manifest: ModelManifest): HeadScanner {
  const classCount = classCountOf(manifest);
  const columns = 5 + classCount;
  const reason = `N boxes of 5 + ${classCount} classes`;
  const row: BoxRow = { left: 0, top: 0, right: 0, bottom: 0, objectness: 0, classesAt: 0 };
  return {
    endToEnd: false,
    scan(outputs, options, found) {
      const { data } = findOutput(outputs, manifest.head.output, [1, undefined, columns], reason);
      for (let at = 0; at < data.length; at += columns) {
        const objectness = data[at + 4]!;
        if (!(objectness > options.confidenceThreshold)) continue;
        decodeRow(data, at, row);
        row.objectness = objectness;
        addRowClasses(data, row, classCount, options, found);
      }
    },
  };
}

function decodeRow(data: Float32Array, at: number, row: BoxRow): void {
  const halfWidth = data[at + 2]! / 2;
  const halfHeight = data[at + 3]! / 2;
  row.left = data[at]! - halfWidth;
  row.top = data[at + 1]! - halfHeight;
  row.right = data[at]! + halfWidth;
  row.bottom = data[at + 1]! + halfHeight;
  row.classesAt = at + 5;
}
