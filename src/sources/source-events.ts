import { type Observable, ReplaySubject } from 'rxjs';
import { epochMs } from '../core/clock.js';
import type { SourceEvent, SourceState } from '../core/source.js';

/** What a source tells of itself; the newest event is replayed to whoever comes late. */
export class SourceEvents {
  readonly #events = new ReplaySubject<SourceEvent>(1);
  #state: SourceState | undefined;

  get events$(): Observable<SourceEvent> {
    return this.#events.asObservable();
  }

  get state(): SourceState | undefined {
    return this.#state;
  }

  emit(state: SourceState, message: string, details: Pick<SourceEvent, 'code' | 'attempt' | 'retryInMs'> = {}): void {
    this.#state = state;
    this.#events.next({ epochMs: epochMs(), state, message, ...details });
  }
}
