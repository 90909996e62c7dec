/** Intersection over union of boxes `a` and `b` of an `xyxy` array (4 numbers a box, any unit); 0 where both are empty. */
export function boxIou(xyxy: ArrayLike<number>, a: number, b: number): number {
  const i = a * 4;
  const j = b * 4;
  const left = Math.max(xyxy[i]!, xyxy[j]!);
  const top = Math.max(xyxy[i + 1]!, xyxy[j + 1]!);
  const right = Math.min(xyxy[i + 2]!, xyxy[j + 2]!);
  const bottom = Math.min(xyxy[i + 3]!, xyxy[j + 3]!);
  if (right <= left || bottom <= top) return 0;
  const intersection = (right - left) * (bottom - top);
  const areaA = (xyxy[i + 2]! - xyxy[i]!) * (xyxy[i + 3]! - xyxy[i + 1]!);
  const areaB = (xyxy[j + 2]! - xyxy[j]!) * (xyxy[j + 3]! - xyxy[j + 1]!);
  return intersection / (areaA + areaB - intersection);
}
