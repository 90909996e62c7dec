import type { ModelManifest } from '../../core/manifest.js';
import { maskableScales } from '../anchor-mask.js';
import type { CandidateBuffer } from '../candidate-buffer.js';
import { anchoredScales, classCountOf } from '../head-scales.js';
import type { HeadScanner, ScanOptions } from '../head-scanner.js';
import { findOutput } from '../output-tensor.js';
import { addRowClasses } from './box-rows.js';
import type { BoxRow } from './box-rows.js';

/** YOLOv5-style exports, decoded inside the model: `[1, N, 5 + classes]` of cxcywh in pixels, objectness and classes as probabilities. */
export function createYolov5Scanner(manifest: ModelManifest): HeadScanner {
  const classCount = classCountOf(manifest);
  const columns = 5 + classCount;
  const anchorRows = rowsOfAnchors(manifest);
  const rows = anchorRows?.reduce((sum, count) => sum + count, 0);
  const reason = `${rows ?? 'N'} boxes of 5 + ${classCount} classes`;
  const row: BoxRow = { left: 0, top: 0, right: 0, bottom: 0, objectness: 0, classesAt: 0 };
  return {
    endToEnd: false,
    scan(outputs, options, found) {
      const { data } = findOutput(outputs, manifest.head.output, [1, rows, columns], reason);
      if (!anchorRows || !options.anchorsOff?.length) {
        scanRows(data, 0, data.length, row, classCount, options, found);
        return;
      }
      let at = 0;
      for (const [anchor, count] of anchorRows.entries()) {
        const end = at + count * columns;
        if (!options.anchorsOff.includes(anchor)) scanRows(data, at, end, row, classCount, options, found);
        at = end;
      }
    },
  };
}

/** Rows of each anchor one after the other, as exporters put them; undefined where the manifest doesn't tell the anchors. */
function rowsOfAnchors(manifest: ModelManifest): number[] | undefined {
  if (!maskableScales(manifest)) return undefined;
  return anchoredScales(manifest).flatMap(({ anchors, gridWidth, gridHeight }) => anchors.map(() => gridWidth * gridHeight));
}

function scanRows(data: Float32Array, from: number, end: number, row: BoxRow, classCount: number, options: ScanOptions, found: CandidateBuffer): void {
  for (let at = from; at < end; at += 5 + classCount) {
    const objectness = data[at + 4]!;
    if (!(objectness > options.confidenceThreshold)) continue;
    decodeRow(data, at, row);
    row.objectness = objectness;
    addRowClasses(data, row, classCount, options, found);
  }
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
