import { trackColor } from './colors.js';

/** How far back a trail goes, milliseconds of presentation time. */
const TRAIL_MS = 2_000;
/** More points than a screen can show are none of a trail. */
const MOST_POINTS = 128;

/** Where followed objects came from: the middles of the lower edges of their boxes in the last seconds, as a line each. */
export class Trails {
  #points = new Map();
  #lastPtsMs = -Infinity;

  /** Takes in the frame that is shown next. */
  add({ detections, time }) {
    const ptsMs = time.pts_us / 1000;
    // A stream that begins anew has no past.
    if (ptsMs < this.#lastPtsMs) this.#points.clear();
    this.#lastPtsMs = ptsMs;
    for (const { track_id: id, track_state: state, coasted, bbox } of detections) {
      if (state !== 'confirmed' || coasted) continue;
      const points = this.#points.get(id) ?? [];
      points.push({ x: bbox[0] + bbox[2] / 2, y: bbox[1] + bbox[3], ptsMs });
      if (points.length > MOST_POINTS) points.shift();
      this.#points.set(id, points);
    }
    for (const [id, points] of this.#points) {
      while (points.length > 0 && points[0].ptsMs < ptsMs - TRAIL_MS) points.shift();
      if (points.length === 0) this.#points.delete(id);
    }
  }

  /** @param {CanvasRenderingContext2D} context in device pixels @param place of the picture on the canvas @param {number} pixelRatio device pixels a CSS pixel */
  draw(context, place, pixelRatio) {
    context.save();
    context.lineJoin = 'round';
    context.lineWidth = Math.max(2, Math.round(2 * pixelRatio));
    context.globalAlpha = 0.8;
    for (const [id, points] of this.#points) {
      context.strokeStyle = trackColor(id);
      context.beginPath();
      points.forEach(({ x, y }, i) => context[i === 0 ? 'moveTo' : 'lineTo'](place.x + x * place.scale, place.y + y * place.scale));
      context.stroke();
    }
    context.restore();
  }
}
