import type { CandidateBuffer } from '../candidate-buffer.js';
import { anchoredScales, classCountOf } from '../head-scales.js';
import type { AnchoredScale } from '../head-scales.js';
import type { HeadScanner, ScanOptions } from '../head-scanner.js';
import { logit, sigmoid } from '../logit.js';
import { findOutput } from '../output-tensor.js';
import type { ModelManifest } from '../../core/manifest.js';

/** A cell whose objectness is over the threshold, decoded. One object serves all cells of all frames: nothing to collect. */
export interface AnchorCell {
  left: number;
  top: number;
  right: number;
  bottom: number;
  /** Probability. */
  objectness: number;
  /** Index of its first class logit; the next ones lie `classStep` apart. */
  classesAt: number;
  classStep: number;
}

/** Adds the classes of a cell that are over the threshold: heads differ in how class logits become probabilities. */
export type AddClasses = (data: Float32Array, cell: AnchorCell, classCount: number, options: ScanOptions, found: CandidateBuffer) => void;

/** How raw numbers become a box, where heads differ. */
export interface BoxFormula {
  /** Size of a box over its anchor's. */
  readonly sizeFactor: (raw: number) => number;
  /** Where the manifest doesn't say another: see `HeadScale.scaleXy`. */
  readonly scaleXy: number;
}

const DARKNET_FORMULA: BoxFormula = { sizeFactor: Math.exp, scaleXy: 1 };

/**
 * Scanner for raw heads `[1, anchors * (5 + classes), gridHeight, gridWidth]`, whose channels are x, y, w, h, objectness, classes
 * of the first anchor, then of the next. Without classes the objectness is the confidence and the class is 0.
 */
export function createAnchorGridScanner(manifest: ModelManifest, addClasses: AddClasses, { sizeFactor, scaleXy }: BoxFormula = DARKNET_FORMULA): HeadScanner {
  const classCount = classCountOf(manifest);
  const scales = anchoredScales(manifest, scaleXy).map((scale) => ({ scale, expected: expectedShape(scale, classCount), reason: reasonOf(scale, classCount) }));
  const add = classCount === 0 ? addObjectness : addClasses;
  const cell: AnchorCell = { left: 0, top: 0, right: 0, bottom: 0, objectness: 0, classesAt: 0, classStep: 0 };
  return {
    endToEnd: false,
    scan(outputs, options, found) {
      let ofAllScales = 0;
      for (const { scale, expected, reason } of scales) {
        const { data } = findOutput(outputs, scale.output, expected, reason);
        for (let anchor = 0; anchor < scale.anchors.length; anchor += 1, ofAllScales += 1) {
          if (options.anchorsOff?.includes(ofAllScales)) continue;
          scanAnchor(data, scale, anchor, classCount, sizeFactor, cell, add, options, found);
        }
      }
    },
  };
}

function scanAnchor(
  data: Float32Array,
  scale: AnchoredScale,
  anchor: number,
  classCount: number,
  sizeFactor: BoxFormula['sizeFactor'],
  cell: AnchorCell,
  add: AddClasses,
  options: ScanOptions,
  found: CandidateBuffer,
): void {
  const cells = scale.gridWidth * scale.gridHeight;
  const xAt = anchor * (5 + classCount) * cells;
  const objectnessAt = xAt + 4 * cells;
  const minObjectness = logit(options.confidenceThreshold);
  for (let index = 0; index < cells; index += 1) {
    const objectness = data[objectnessAt + index]!;
    // False for NaN; Infinity is a broken output, not a certain object.
    if (!(objectness > minObjectness && objectness < Infinity)) continue;
    decodeCell(data, scale, anchor, xAt + index, index, cells, sizeFactor, cell);
    cell.objectness = sigmoid(objectness);
    cell.classesAt = objectnessAt + index + cells;
    cell.classStep = cells;
    add(data, cell, classCount, options, found);
  }
}

function decodeCell(
  data: Float32Array,
  scale: AnchoredScale,
  anchor: number,
  xAt: number,
  index: number,
  cells: number,
  sizeFactor: BoxFormula['sizeFactor'],
  cell: AnchorCell,
): void {
  const { stride, scaleXy, gridWidth } = scale;
  const [anchorWidth, anchorHeight] = scale.anchors[anchor]!;
  const row = Math.floor(index / gridWidth);
  const column = index - row * gridWidth;
  // scale_x_y widens the sigmoid around the middle of the cell, so that a centre on its border is within reach.
  const shift = (scaleXy - 1) / 2;
  const centreX = (sigmoid(data[xAt]!) * scaleXy - shift + column) * stride;
  const centreY = (sigmoid(data[xAt + cells]!) * scaleXy - shift + row) * stride;
  const halfWidth = (sizeFactor(data[xAt + 2 * cells]!) * anchorWidth) / 2;
  const halfHeight = (sizeFactor(data[xAt + 3 * cells]!) * anchorHeight) / 2;
  cell.left = centreX - halfWidth;
  cell.top = centreY - halfHeight;
  cell.right = centreX + halfWidth;
  cell.bottom = centreY + halfHeight;
}

function addObjectness(_data: Float32Array, cell: AnchorCell, _classCount: number, _options: ScanOptions, found: CandidateBuffer): void {
  found.add(cell.left, cell.top, cell.right, cell.bottom, cell.objectness, 0);
}

function expectedShape({ anchors, gridWidth, gridHeight }: AnchoredScale, classCount: number): readonly number[] {
  return [1, anchors.length * (5 + classCount), gridHeight, gridWidth];
}

function reasonOf({ anchors, stride }: AnchoredScale, classCount: number): string {
  return `${anchors.length} anchors * (5 + ${classCount} classes) at stride ${stride}`;
}
