import type { TrackStats } from '../core/stream-view.js';
import type { FrameTracks } from '../core/tracks.js';

/** What a stream's tracker did, as far as its frames tell. */
export class TrackCounter {
  #newest: FrameTracks | undefined;
  #idsGiven = 0;

  add(tracks: FrameTracks): void {
    this.#newest = tracks;
    for (const id of tracks.ids) if (id > this.#idsGiven) this.#idsGiven = id;
  }

  /** Undefined where no frame came from a tracker. */
  stats(): TrackStats | undefined {
    if (!this.#newest) return undefined;
    const { isConfirmed, isCoasted, confirmedSoFar } = this.#newest;
    return { now: isConfirmed.reduce((sum, one, i) => sum + (isCoasted[i] === 1 ? 0 : one), 0), confirmed: confirmedSoFar, idsGiven: this.#idsGiven };
  }
}
