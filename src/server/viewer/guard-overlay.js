/** What the guard did, drawn over a picture. Shapes and words, not colour alone, tell the kinds apart. */

import { strokeBox, toScreen } from './overlay.js';

/** How each verdict is drawn. */
const VERDICTS = {
  adversarial: { color: '#ff5c8a', hatch: 'rgb(255 92 138 / 60%)', text: 'patch' },
  suspicious: { color: '#f2b84b', hatch: 'rgb(242 184 75 / 45%)', text: 'suspicious' },
  benign: { color: '#aab4c0', text: 'benign' },
};
const SUPPRESSED_COLOR = '#c9d1da';

/**
 * Draws regions (hatched where they are acted on or not decided) and boxes that were taken out (faint, crossed out).
 *
 * @param {CanvasRenderingContext2D} context in device pixels
 * @param {{patches?: object[], suppressed?: object[]}} frame
 * @param {{x: number, y: number, scale: number, width: number, height: number}} place of the picture on the canvas, device pixels
 * @param {number} pixelRatio device pixels a CSS pixel
 * @returns {{regions: object[], suppressed: object[]}} what `drawPlates` writes at them, attacks first
 */
export function drawGuard(context, { patches = [], suppressed = [] }, place, pixelRatio) {
  for (const { bbox } of suppressed) drawCrossed(context, toScreen(bbox, place), pixelRatio);
  // The harmless ones first, so that an attack lies over them.
  const regions = [...patches].reverse().map((patch) => ({ ...toScreen(patch.bbox, place), ...VERDICTS[patch.verdict], text: regionText(patch), score: patch.score }));
  for (const region of regions) drawRegion(context, region, pixelRatio);
  return {
    regions: regions.filter(({ hatch }) => hatch).reverse(),
    suppressed: suppressed.map(({ bbox, label, score }) => ({ ...toScreen(bbox, place), color: SUPPRESSED_COLOR, text: `not there: ${label} ${Math.round(score * 100)}%` })),
  };
}

function regionText({ id, verdict, score, effect }) {
  const { text } = VERDICTS[verdict];
  return `${text}${id === undefined ? '' : ` ${id}`}${effect ? `, ${effect}` : ''} · ${score.toFixed(2)}`;
}

function drawRegion(context, { left, top, width, height, color, hatch }, pixelRatio) {
  if (hatch) drawHatch(context, { left, top, width, height }, hatch, pixelRatio);
  strokeBox(context, { left, top, width, height, color }, pixelRatio, hatch ? [] : [2, 3]);
}

/** Lines from the lower left to the upper right, a few pixels apart. */
function drawHatch(context, { left, top, width, height }, color, pixelRatio) {
  const step = Math.max(4, Math.round(7 * pixelRatio));
  context.save();
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  context.beginPath();
  for (let x = left - height; x < left + width; x += step) {
    context.moveTo(x, top + height);
    context.lineTo(x + height, top);
  }
  context.strokeStyle = color;
  context.lineWidth = Math.max(1, Math.round(1.5 * pixelRatio));
  context.stroke();
  context.restore();
}

function drawCrossed(context, box, pixelRatio) {
  const { left, top, width, height } = box;
  context.save();
  context.globalAlpha = 0.6;
  strokeBox(context, { ...box, color: SUPPRESSED_COLOR }, pixelRatio, [5, 4]);
  context.beginPath();
  context.moveTo(left, top);
  context.lineTo(left + width, top + height);
  context.moveTo(left + width, top);
  context.lineTo(left, top + height);
  context.strokeStyle = SUPPRESSED_COLOR;
  context.lineWidth = Math.max(1, Math.round(1.5 * pixelRatio));
  context.stroke();
  context.restore();
}
