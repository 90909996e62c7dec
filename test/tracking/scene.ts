import { APPEARANCE_LENGTH } from '../../src/tracking/appearance.js';
import { ByteTracker, type ByteTrackerOptions } from '../../src/tracking/byte-tracker.js';
import type { SeenBoxes } from '../../src/tracking/track.js';

/** A box as a test writes it: middle and size in pixels, confidence .9, class 0, looks of one grey. */
export interface SceneBox {
  readonly x: number;
  readonly y?: number;
  readonly width?: number;
  readonly height?: number;
  readonly confidence?: number;
  readonly classId?: number;
  readonly grey?: number;
}

export function seenBoxes(boxes: readonly SceneBox[], knowsLooks = false): SeenBoxes {
  const appearance = new Float32Array(boxes.length * APPEARANCE_LENGTH);
  boxes.forEach(({ grey = 128 }, i) => appearance.fill(grey, i * APPEARANCE_LENGTH, (i + 1) * APPEARANCE_LENGTH));
  return {
    count: boxes.length,
    xyxy: Float32Array.from(boxes.flatMap(({ x, y = 200, width = 40, height = 100 }) => [x - width / 2, y - height / 2, x + width / 2, y + height / 2])),
    confidence: Float32Array.from(boxes, ({ confidence = 0.9 }) => confidence),
    classId: Int32Array.from(boxes, ({ classId = 0 }) => classId),
    boxesBeforeNms: boxes.length,
    ...(knowsLooks && { appearance }),
  };
}

/** Plain: sure from .4, half of the scale that a tracker starts with; begins tracks from .56. */
export const OPTIONS: ByteTrackerOptions = { confidenceThreshold: 0.25, sureShare: 0.5, beginShare: 0.7, confirmSeconds: 0.2, keepSeconds: 1, minIou: 0.2 };

/** A tracker that is told frames as a story, and answers in words: `1`, `1?` where tentative, `-` for a box of no track. */
export class Story {
  readonly tracker: ByteTracker;
  readonly #knowsLooks: boolean;

  constructor(options: Partial<ByteTrackerOptions> = {}, knowsLooks = false) {
    this.tracker = new ByteTracker({ ...OPTIONS, ...options });
    this.#knowsLooks = knowsLooks;
  }

  /** @param seconds presentation time */
  see(seconds: number, ...boxes: readonly SceneBox[]): string {
    const { ids, isConfirmed } = this.tracker.update(seenBoxes(boxes, this.#knowsLooks), Math.round(seconds * 1e6));
    return [...ids].map((id, i) => (id === 0 ? '-' : `${id}${isConfirmed[i] === 1 ? '' : '?'}`)).join(' ');
  }
}
