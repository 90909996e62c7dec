/**
 * The objects found in one frame, as parallel arrays of `count` entries.
 * An array may be longer than `count` needs: what lies beyond belongs to nobody.
 */
export interface Detections {
  readonly count: number;
  /** `4 * count` numbers: left, top, right, bottom in pixels of the source picture. */
  readonly xyxy: Float32Array;
  /** 0 to 1. */
  readonly confidence: Float32Array;
  /** Index into the labels of the model. */
  readonly classId: Int32Array;
  /** Boxes over the threshold that went into non-maximum suppression: what post-processing time depends on. */
  readonly boxesBeforeNms: number;
}

export const NO_DETECTIONS: Detections = {
  count: 0,
  xyxy: new Float32Array(0),
  confidence: new Float32Array(0),
  classId: new Int32Array(0),
  boxesBeforeNms: 0,
};
