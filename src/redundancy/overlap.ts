/** Intersection over union of box `i` of one `xyxy` array and box `j` of another; 0 where either is empty. */
export function overlapOf(a: Float32Array, i: number, b: Float32Array, j: number): number {
  const shared = sharedArea(a, i, b, j);
  return shared === 0 ? 0 : shared / (areaOf(a, i) + areaOf(b, j) - shared);
}

/** Area that two boxes have in common. */
export function sharedArea(a: Float32Array, i: number, b: Float32Array, j: number): number {
  const width = Math.min(a[4 * i + 2]!, b[4 * j + 2]!) - Math.max(a[4 * i]!, b[4 * j]!);
  const height = Math.min(a[4 * i + 3]!, b[4 * j + 3]!) - Math.max(a[4 * i + 1]!, b[4 * j + 1]!);
  return width <= 0 || height <= 0 ? 0 : width * height;
}

export function areaOf(xyxy: Float32Array, i: number): number {
  return Math.max(0, xyxy[4 * i + 2]! - xyxy[4 * i]!) * Math.max(0, xyxy[4 * i + 3]! - xyxy[4 * i + 1]!);
}
