/** Colours that stay the same for a class and for a stage. */

/** Neighbouring classes get hues far apart (the golden angle); all are light enough for dark text on them. */
export function classColor(categoryId) {
  return `hsl(${((categoryId * 137.508 + 155) % 360).toFixed(1)} 82% 66%)`;
}

/** Of a followed object, as long as it is followed: neighbouring ids get hues far apart, in another step than classes. */
export function trackColor(trackId) {
  return `hsl(${((trackId * 222.492 + 20) % 360).toFixed(1)} 88% 64%)`;
}

const STAGE_COLORS = ['#5b7fa6', '#5fe0b8', '#c39bf0', '#f0b45e', '#6fb3ff', '#f2849e', '#b7d36b', '#62cfe0'];

/** By the stage's place in the graph. */
export function stageColor(index) {
  return STAGE_COLORS[index % STAGE_COLORS.length];
}
