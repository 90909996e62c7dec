import type { Prepared } from './find-surfaces.js';
import type { Vector } from './scene.js';

/** A round blob on the ground. */
interface Shadow {
  readonly x: number;
  readonly z: number;
  readonly radiusM: number;
  readonly strength: number;
}

const CELLS = 48;

/** Shadows on the ground by place: a fence alone throws twenty, and each point of the ground asks. */
export class GroundShadows {
  readonly #cells: Shadow[][] = Array.from({ length: CELLS * CELLS }, () => []);
  readonly #x: Spread;
  readonly #z: Spread;

  constructor(solids: readonly Prepared[], groundM: number, sun: Vector) {
    const shadows = solids.map((one) => shadowOf(one, groundM, sun));
    this.#x = spreadOf(shadows.map(({ x }) => x));
    this.#z = spreadOf(shadows.map(({ z }) => z));
    for (const shadow of shadows) this.#lay(shadow);
  }

  #lay(shadow: Shadow): void {
    const { x, z, radiusM } = shadow;
    for (let row = cellOf(this.#z, z - radiusM); row <= cellOf(this.#z, z + radiusM); row += 1) {
      for (let column = cellOf(this.#x, x - radiusM); column <= cellOf(this.#x, x + radiusM); column += 1) this.#cells[CELLS * row + column]!.push(shadow);
    }
  }

  /** Share of the sun's light that comes to a place on the ground. */
  litAt(x: number, z: number): number {
    let lit = 1;
    for (const shadow of this.#cells[CELLS * cellOf(this.#z, z) + cellOf(this.#x, x)]!) {
      const far = ((x - shadow.x) ** 2 + (z - shadow.z) ** 2) / (shadow.radiusM * shadow.radiusM);
      if (far < 1) lit = Math.min(lit, 1 - shadow.strength * Math.min(1, 3 * (1 - far)));
    }
    return lit;
  }
}

/** Under a thing, moved away from the sun by its middle's height. */
function shadowOf({ solid: { centre, density = 1 }, half, offsetY }: Prepared, groundM: number, sun: Vector): Shadow {
  const middleM = groundM - centre[1] - offsetY;
  const reach = Math.min(3, 1 / Math.max(0.2, -sun[1]));
  const radiusM = Math.max(half[0], half[2]);
  return { x: centre[0] - sun[0] * middleM * reach, z: centre[2] - sun[2] * middleM * reach, radiusM: radiusM * 1.15, strength: Math.min(1, half[1] / radiusM) * density };
}

interface Spread {
  readonly from: number;
  readonly cellM: number;
}

function spreadOf(values: readonly number[]): Spread {
  const from = Math.min(0, ...values);
  return { from, cellM: Math.max(1, Math.max(0, ...values) - from) / CELLS };
}

/** Of what lies outside: the cell at the edge. */
function cellOf({ from, cellM }: Spread, value: number): number {
  return Math.max(0, Math.min(CELLS - 1, Math.floor((value - from) / cellM)));
}
