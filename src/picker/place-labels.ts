/** Pixels; y grows downwards. */
export interface Anchor {
  readonly x: number;
  readonly y: number;
  readonly text: string;
}

/** Where a label goes, relative to its point: its left edge where `textAnchor` is start, its right edge where it is end. */
export interface PlacedLabel extends Anchor {
  readonly dx: number;
  readonly dy: number;
  readonly textAnchor: 'start' | 'middle' | 'end';
}

/** Pixels. */
export interface Rectangle {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export interface LabelOptions {
  /** What labels must stay inside of. */
  readonly bounds: Rectangle;
  /** Points that labels must not cover, beside those labelled. */
  readonly obstacles?: readonly { readonly x: number; readonly y: number }[];
  /** Lines that labels must not cross, as thin rectangles. */
  readonly lines?: readonly Rectangle[];
}

/** Of the reports' 12 px sans-serif: on the wide side. */
const CHARACTER_PX = 6.4;
const LINE_PX = 13;
const POINT_PX = 4;

/** Places around a point, the most legible first; then further away. */
const SPOTS = [1, 2, 3.2].flatMap((distance) =>
  (
    [
      ['end', -7, -10],
      ['end', -8, 0],
      ['start', 8, 0],
      ['middle', 0, -13],
      ['start', 7, -10],
      ['start', 7, 11],
      ['middle', 0, 14],
      ['end', -7, 11],
    ] as const
  ).map(([textAnchor, dx, dy]) => ({ textAnchor, dx: dx * distance, dy: dy * distance })),
);

/** Labels beside their points so that none covers another, a point, a line or the edge; one that finds no place is left out. */
export function placeLabels(anchors: readonly Anchor[], { bounds, obstacles = [], lines = [] }: LabelOptions): PlacedLabel[] {
  const points = [...anchors, ...obstacles].map(({ x, y }) => ({ left: x - POINT_PX, right: x + POINT_PX, top: y - POINT_PX, bottom: y + POINT_PX }));
  const placed: { readonly label: PlacedLabel; readonly box: Rectangle }[] = [];
  for (const anchor of anchors) {
    const labels = SPOTS.map((spot) => ({ ...anchor, ...spot }));
    const label = labels.find((one) => {
      const box = boxOf(one);
      return isInside(box, bounds) && ![...points, ...lines, ...placed.map((other) => other.box)].some((other) => overlap(box, other));
    });
    if (label) placed.push({ label, box: boxOf(label) });
  }
  return placed.map(({ label }) => label);
}

function boxOf({ x, y, dx, dy, text, textAnchor }: PlacedLabel): Rectangle {
  const width = text.length * CHARACTER_PX;
  const left = x + dx - { start: 0, middle: width / 2, end: width }[textAnchor];
  return { left, right: left + width, top: y + dy - LINE_PX / 2, bottom: y + dy + LINE_PX / 2 };
}

function isInside(inner: Rectangle, outer: Rectangle): boolean {
  return inner.left >= outer.left && inner.right <= outer.right && inner.top >= outer.top && inner.bottom <= outer.bottom;
}

function overlap(a: Rectangle, b: Rectangle): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
