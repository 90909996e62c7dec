/** Sums over rectangles of a map in four reads (Crow 1984): entry (y, x) is the sum of all rows above y and columns left of x. */
export class IntegralImage {
  readonly width: number;
  readonly height: number;
  readonly #sums: Float64Array;

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
    this.#sums = new Float64Array((width + 1) * (height + 1));
  }

  update(map: Float32Array): void {
    const { width, height } = this;
    const sums = this.#sums;
    const pitch = width + 1;
    for (let y = 0; y < height; y += 1) {
      let row = 0;
      for (let x = 0, at = (y + 1) * pitch + 1; x < width; x += 1, at += 1) {
        row += map[y * width + x]!;
        sums[at] = sums[at - pitch]! + row;
      }
    }
  }

  /** Of the cells from `left`, `top` to before `right`, `bottom`, all inside of the map. */
  sum(left: number, top: number, right: number, bottom: number): number {
    const pitch = this.width + 1;
    const sums = this.#sums;
    return sums[bottom * pitch + right]! - sums[top * pitch + right]! - sums[bottom * pitch + left]! + sums[top * pitch + left]!;
  }

  /** Mean inside minus mean of the ring around it, a third of the side wide and cut at the borders of the map. */
  contrast(left: number, top: number, right: number, bottom: number): number {
    const ringX = Math.max(1, Math.floor((right - left) / 3));
    const ringY = Math.max(1, Math.floor((bottom - top) / 3));
    const outerLeft = Math.max(0, left - ringX);
    const outerTop = Math.max(0, top - ringY);
    const outerRight = Math.min(this.width, right + ringX);
    const outerBottom = Math.min(this.height, bottom + ringY);
    const pitch = this.width + 1;
    const sums = this.#sums;
    const topRow = top * pitch;
    const bottomRow = bottom * pitch;
    const outerTopRow = outerTop * pitch;
    const outerBottomRow = outerBottom * pitch;
    const inside = sums[bottomRow + right]! - sums[topRow + right]! - sums[bottomRow + left]! + sums[topRow + left]!;
    const outer = sums[outerBottomRow + outerRight]! - sums[outerTopRow + outerRight]! - sums[outerBottomRow + outerLeft]! + sums[outerTopRow + outerLeft]!;
    const area = (right - left) * (bottom - top);
    const ringArea = (outerRight - outerLeft) * (outerBottom - outerTop) - area;
    return inside / area - (ringArea > 0 ? (outer - inside) / ringArea : 0);
  }
}
