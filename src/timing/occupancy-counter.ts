import type { ErrorCode } from '../core/errors.js';
import type { MissingOccupancy, OccupancyReport } from '../core/occupancy-report.js';
import type { OccupancyStats } from '../core/stream-view.js';

/** What a stream's pairs told of occupied space. */
export class OccupancyCounter {
  readonly #levels = new Map<OccupancyReport['level'], number>();
  readonly #missing = new Map<ErrorCode, number>();
  #pairs = 0;
  #computedShare = 0;

  add(occupancy: OccupancyReport | MissingOccupancy): void {
    if ('code' in occupancy) {
      this.#missing.set(occupancy.code, (this.#missing.get(occupancy.code) ?? 0) + 1);
      return;
    }
    this.#pairs += 1;
    this.#computedShare += occupancy.computedShare;
    this.#levels.set(occupancy.level, (this.#levels.get(occupancy.level) ?? 0) + 1);
  }

  /** Undefined where no frame came from an occupancy stage. */
  stats(): OccupancyStats | undefined {
    if (this.#pairs === 0 && this.#missing.size === 0) return undefined;
    return {
      pairs: this.#pairs,
      computedShare: this.#pairs === 0 ? 0 : this.#computedShare / this.#pairs,
      levels: [...this.#levels].sort(([a], [b]) => b - a).map(([level, count]) => ({ level, count })),
      missing: [...this.#missing].map(([code, count]) => ({ code, count })),
    };
  }
}
