import type { ErrorCode } from '../core/errors.js';
import type { MissingOccupancy, OccupancyReport } from '../core/occupancy-report.js';

/** Changes are told this far apart: pairs that are good and bad in turn are one piece of news a second. */
const EVERY_MS = 1_000;

/** What an event tells of pairs; without a code they are of use again. */
export interface OccupancyChange {
  readonly code?: ErrorCode;
  readonly message: string;
}

/** Tells when the pairs of a stereo stream become useless, for another reason, and of use again. */
export class OccupancyWatch {
  #told: ErrorCode | undefined;
  #toldMs = -Infinity;

  /** @param nowMs monotonic. @returns news, where there is some and the last is long enough ago. */
  see(occupancy: OccupancyReport | MissingOccupancy, nowMs: number): OccupancyChange | undefined {
    const missing = 'code' in occupancy ? occupancy : undefined;
    if (missing?.code === this.#told || nowMs - this.#toldMs < EVERY_MS) return undefined;
    this.#told = missing?.code;
    this.#toldMs = nowMs;
    return missing ? { code: missing.code, message: `no occupancy: ${missing.message}` } : { message: 'pairs tell occupied space again' };
  }
}
