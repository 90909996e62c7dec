/** Something that costs and is worth something. */
export interface Point {
  /** Less is better. */
  readonly cost: number;
  /** More is better. */
  readonly worth: number;
}

/**
 * For each point whether nothing beats it: no other costs as little and is worth as much, one of them strictly. Equal points are on the
 * front together.
 */
export function paretoFront(points: readonly Point[]): boolean[] {
  return points.map((point) => !points.some((other) => dominates(other, point)));
}

export function dominates(a: Point, b: Point): boolean {
  return a.cost <= b.cost && a.worth >= b.worth && (a.cost < b.cost || a.worth > b.worth);
}
