import { type Admission, TurnQueue } from '../core/admission.js';

/**
 * Bounds the frames that are between the start of their first pass and the guard's conclusion: a frame passes the gate, then waits for
 * a turn of the workers, so that a turn is never held by a frame that may not go on. With room for one, frames are strictly
 * sequential. The newest waiting frame is taken when both are had.
 */
export class GuardGate implements Admission {
  readonly room: number;
  readonly #places: TurnQueue;
  readonly #turns: Admission;

  /** @param room frames at once, 1 or more. @param turns of the workers. */
  constructor(room: number, turns: Admission) {
    this.room = room;
    this.#places = new TurnQueue(room);
    this.#turns = turns;
  }

  request(granted: () => boolean, asker: object): () => void {
    let waitsForTurn = false;
    let withdrawTurn: (() => void) | undefined;
    const withdrawPlace = this.#places.request(() => {
      waitsForTurn = true;
      withdrawTurn = this.#turns.request(() => {
        waitsForTurn = false;
        const isTaken = granted();
        if (!isTaken) this.leave();
        return isTaken;
      }, asker);
      return true;
    }, asker);
    return () => {
      withdrawPlace();
      withdrawTurn?.();
      if (waitsForTurn) this.leave();
      waitsForTurn = false;
    };
  }

  /** The frame that was let in is done with, or lost. */
  leave(): void {
    this.#places.release();
  }
}
