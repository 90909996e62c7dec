import type { HeadKind, HeadScale } from '../../core/manifest.js';
import { sigmoid } from '../../detector/logit.js';

/** How the raw numbers of one head become a box, and the slopes that fitting them needs. */
export interface BoxFormula {
  /** Of a centre from the left or upper side of its cell, in cells. */
  offset(raw: number): number;
  offsetSlope(raw: number): number;
  /** Offsets that a raw number can reach, in cells. */
  readonly offsetRange: readonly [number, number];
  /** Natural logarithm of a box's side over its anchor's. */
  logSize(raw: number): number;
  logSizeSlope(raw: number): number;
  /** Sides over the anchor's that a raw number can reach with some room, as logarithms. */
  readonly logSizeRange: readonly [number, number];
  /** Classes exclude each other: softmax, not a sigmoid each. */
  readonly softmax: boolean;
}

/** Sides within this of YOLOv5's limit of 4 times the anchor would need huge raw numbers. */
const YOLOV5_LOG_SIZE = [-4, Math.log(3.6)] as const;
const DARKNET_LOG_SIZE = [-6, 6] as const;

export function boxFormula(kind: HeadKind, { scaleXy }: Pick<HeadScale, 'scaleXy'>): BoxFormula {
  const isYolov5 = kind === 'yolov5-raw';
  const reach = scaleXy ?? (isYolov5 ? 2 : 1);
  const shift = (reach - 1) / 2;
  const slope = (raw: number): number => sigmoid(raw) * sigmoid(-raw);
  return {
    offset: (raw) => reach * sigmoid(raw) - shift,
    offsetSlope: (raw) => reach * slope(raw),
    offsetRange: [-shift, 1 + shift],
    logSize: isYolov5 ? (raw) => 2 * Math.log(2 * sigmoid(raw)) : (raw) => raw,
    logSizeSlope: isYolov5 ? (raw) => 2 * sigmoid(-raw) : () => 1,
    logSizeRange: isYolov5 ? YOLOV5_LOG_SIZE : DARKNET_LOG_SIZE,
    softmax: kind === 'tiny-yolov2',
  };
}
