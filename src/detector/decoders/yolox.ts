import type { ModelManifest } from '../../core/manifest.js';
import { classCountOf, gridScales } from '../head-scales.js';
import type { GridScale } from '../head-scales.js';
import type { HeadScanner } from '../head-scanner.js';
import { findOutput } from '../output-tensor.js';
import { addRowClasses } from './box-rows.js';
import type { BoxRow } from './box-rows.js';

const DEFAULT_STRIDES = [8, 16, 32];

/**
 * YOLOX: one row a cell, `[1, N, 5 + classes]`, scale after scale, row by row. Boxes are raw, centre (xy + cell) * stride and size
 * exp(wh) * stride; objectness and classes are probabilities already.
 */
export function createYoloxScanner(manifest: ModelManifest): HeadScanner {
  const classCount = classCountOf(manifest);
  const columns = 5 + classCount;
  const scales = gridScales(manifest, DEFAULT_STRIDES);
  const rows = scales.reduce((sum, scale) => sum + scale.gridWidth * scale.gridHeight, 0);
  const reason = `${rows} cells at strides ${scales.map((scale) => scale.stride).join(', ')}, 5 + ${classCount} classes`;
  const name = manifest.head.output ?? scales[0]!.output;
  const row: BoxRow = { left: 0, top: 0, right: 0, bottom: 0, objectness: 0, classesAt: 0 };
  return {
    endToEnd: false,
    scan(outputs, options, found) {
      const { data } = findOutput(outputs, name, [1, rows, columns], reason);
      let at = 0;
      for (const scale of scales) {
        const cells = scale.gridWidth * scale.gridHeight;
        for (let cell = 0; cell < cells; cell += 1, at += columns) {
          const objectness = data[at + 4]!;
          if (!(objectness > options.confidenceThreshold)) continue;
          decodeRow(data, at, scale, cell, row);
          row.objectness = objectness;
          addRowClasses(data, row, classCount, options, found);
        }
      }
    },
  };
}

function decodeRow(data: Float32Array, at: number, { stride, gridWidth }: GridScale, cell: number, row: BoxRow): void {
  const gridY = Math.floor(cell / gridWidth);
  const centreX = (data[at]! + cell - gridY * gridWidth) * stride;
  const centreY = (data[at + 1]! + gridY) * stride;
  const halfWidth = (Math.exp(data[at + 2]!) * stride) / 2;
  const halfHeight = (Math.exp(data[at + 3]!) * stride) / 2;
  row.left = centreX - halfWidth;
  row.top = centreY - halfHeight;
  row.right = centreX + halfWidth;
  row.bottom = centreY + halfHeight;
  row.classesAt = at + 5;
}
