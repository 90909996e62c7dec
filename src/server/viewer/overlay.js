import { classColor, trackColor } from './colors.js';
import { metres } from './format.js';

/** Dashes of a box that was found only after a patch was taken out, CSS pixels. */
const RECOVERED_DASH = [9, 5];
/** Of one that the model didn't look for in this frame: as it was found before, or moved with what it shows. */
const KEPT_DASH = [5, 4];
/** Of a followed object that was not found, where it is expected. */
const COASTED_DASH = [2, 4];
/** Of something solid that no box shows. */
const VOLUME_DASH = [2, 3];
const VOLUME_COLOR = '#f2b84b';
/** More than these would hide the picture, and so would more plates; the nearest ones come first. */
const MOST_VOLUMES = 12;
const MOST_VOLUME_PLATES = 4;
/** How a frame's boxes came about where the model didn't see it. */
const KEPT = new Set(['reused', 'moved']);

/**
 * Draws boxes over a picture; those that weren't found in it are dashed. Followed objects have a colour of their own.
 *
 * @param {CanvasRenderingContext2D} context in device pixels
 * @param {{detections: object[], redundancy?: {action: string}}} frame with `bbox` in pixels of the source picture
 * @param {{x: number, y: number, scale: number, width: number, height: number}} place of the picture on the canvas, device pixels
 * @param {number} pixelRatio device pixels a CSS pixel
 * @returns {object[]} what `drawPlates` writes at them: label and score, the surest first, what isn't seen last
 */
export function drawBoxes(context, { detections, redundancy }, place, pixelRatio) {
  const boxes = detections.map((detection) => ({ ...toScreen(detection.bbox, place), color: boxColor(detection), text: boxText(detection), weight: detection.coasted ? -1 : detection.score, dash: dashOf(detection, redundancy) }));
  for (const box of boxes) strokeBox(context, box, pixelRatio, box.dash);
  return boxes.sort((a, b) => b.weight - a.weight);
}

function dashOf({ coasted, guard }, redundancy) {
  if (coasted) return COASTED_DASH;
  if (guard === 'recovered') return RECOVERED_DASH;
  return KEPT.has(redundancy?.action) ? KEPT_DASH : [];
}

/** Of a followed object its own, of any other that of its class. */
export function boxColor({ track_id: trackId, track_state: state, category_id: categoryId }) {
  return state === 'confirmed' ? trackColor(trackId) : classColor(categoryId);
}

function boxText({ label, score, guard, coasted, track_id: trackId, track_state: state, distance_m: distanceM, has_volume: hasVolume }) {
  if (coasted) return `${trackId} ${label} not seen`;
  return `${state === 'confirmed' ? `${trackId} ` : ''}${label} ${Math.round(score * 100)}%${guard === 'recovered' ? ' recovered' : ''}${depthText(distanceM, hasVolume)}`;
}

function depthText(distanceM, hasVolume) {
  if (distanceM !== undefined) return ` · ${metres(distanceM)}`;
  return hasVolume === false ? ' · nothing solid' : '';
}

/**
 * Draws what is solid and in no box, dotted.
 *
 * @returns {object[]} what `drawPlates` writes at them, the nearest first
 */
export function drawVolumes(context, { volumes = [] }, place, pixelRatio) {
  const boxes = volumes.slice(0, MOST_VOLUMES).map(({ bbox, distance_m: distanceM }) => ({ ...toScreen(bbox, place), color: VOLUME_COLOR, text: `solid ${metres(distanceM)}` }));
  for (const box of [...boxes].reverse()) strokeBox(context, box, pixelRatio, VOLUME_DASH);
  return boxes.slice(0, MOST_VOLUME_PLATES);
}

/** Whole device pixels, so that lines are crisp. */
export function toScreen([x, y, width, height], place) {
  const left = Math.round(place.x + x * place.scale);
  const top = Math.round(place.y + y * place.scale);
  return { left, top, width: Math.round(place.x + (x + width) * place.scale) - left, height: Math.round(place.y + (y + height) * place.scale) - top };
}

/** A dark line under the coloured one keeps the box visible on any picture. @param {number[]} dash CSS pixels, none for a full line */
export function strokeBox(context, { left, top, width, height, color }, pixelRatio, dash = []) {
  const line = Math.max(2, Math.round(2 * pixelRatio));
  const inset = line / 2;
  context.lineJoin = 'miter';
  context.strokeStyle = 'rgb(4 6 9 / 55%)';
  context.lineWidth = line + 2 * Math.round(pixelRatio);
  context.strokeRect(left + inset, top + inset, width - line, height - line);
  context.setLineDash(dash.map((length) => length * pixelRatio));
  context.strokeStyle = color;
  context.lineWidth = line;
  context.strokeRect(left + inset, top + inset, width - line, height - line);
  context.setLineDash([]);
}

/** Writes what things are called, the first ones first; a plate that finds no free place is left out rather than laid over another. */
export function drawPlates(context, boxes, place, pixelRatio) {
  // A small picture has small objects: smaller plates hide less of them.
  const size = Math.round((place.width < 520 * pixelRatio ? 11 : 13) * pixelRatio);
  const padding = Math.round(5 * pixelRatio);
  const height = size + Math.round(7 * pixelRatio);
  context.font = `600 ${size}px system-ui, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif`;
  context.textBaseline = 'middle';
  const taken = [];
  for (const box of boxes) {
    const width = Math.ceil(context.measureText(box.text).width) + 2 * padding;
    const plate = freePlate(box, width, height, place, taken);
    if (!plate) continue;
    taken.push(plate);
    context.fillStyle = box.color;
    context.fillRect(plate.left, plate.top, width, height);
    context.fillStyle = '#0a0d11';
    context.fillText(box.text, plate.left + padding, plate.top + height / 2 + pixelRatio / 2);
  }
}

/** Above the box, inside at its top, below it: the first that is on the picture and free. */
function freePlate(box, width, height, place, taken) {
  const left = Math.max(place.x, Math.min(box.left, place.x + place.width - width));
  const tops = [box.top - height, box.top, box.top + box.height, box.top + box.height - height];
  return tops
    .map((top) => ({ left, top, width, height }))
    .find((plate) => plate.top >= place.y && plate.top + height <= place.y + place.height && !taken.some((other) => overlap(plate, other)));
}

function overlap(a, b) {
  return a.left < b.left + b.width && b.left < a.left + a.width && a.top < b.top + b.height && b.top < a.top + a.height;
}
