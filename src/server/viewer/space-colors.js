/** Colours of occupied space: ramps from low to high and from near to far, the same for the legend and the scene. */

/** Stops at equal steps; all are light enough for a dark ground. */
export const RAMPS = {
  height: ['#4a6fb5', '#3f9fb8', '#4fc08d', '#b9d05a', '#f2c14e', '#f0784a'],
  distance: ['#ff5a4f', '#ff9a4a', '#f2d057', '#7fcf8a', '#4fa8b8', '#5577a8'],
};

/** Below the first share of the range an obstacle is near, below the second one it is worth a look. */
const NEAR_SHARES = [0.15, 0.35];
export const NEAR_COLORS = ['#ff6b5f', '#f2b84b', '#56d48f'];

/** Of an obstacle, by how far it is in a cube of `rangeM`. */
export function nearColor(distanceM, rangeM) {
  const place = NEAR_SHARES.findIndex((share) => distanceM < share * rangeM);
  return NEAR_COLORS[place < 0 ? NEAR_SHARES.length : place];
}

/** Colours that heights are told by reach from the lower face of the cube so far up, metres: there most obstacles are. */
export function heightSpanM(rangeM) {
  return rangeM / 8;
}

/** For CSS. */
export function rampGradient(name) {
  return `linear-gradient(to right, ${RAMPS[name].join(', ')})`;
}
