import { assert } from '../core/assert.js';
import { type AppError, toAppError } from '../core/errors.js';
import type { OperatingPoint, PointNetwork, PointRunner } from './operating-point.js';

export interface PointSwitchOptions {
  readonly points: readonly OperatingPoint[];
  /** Place of the point that is active first. */
  readonly first: number;
  /** A wanted point has taken over. */
  readonly onSwitched: (from: number, to: number) => void;
  /** A wanted point could not be prepared: the active one stays, until another is wanted. */
  readonly onFailed: (point: number, error: AppError) => void;
}

/**
 * Holds the network that runs and one more, and no third: the one that comes next, or one that is kept ready.
 *
 * A wanted point is prepared beside the active one, which goes on with the frames meanwhile; it takes over with the first frame after it
 * is warm. Where the other network that is loaded lies on the way (cheaper than the active one on the way down), it takes over at once and
 * works until the wanted one is there. A frame ends on the network that it began on.
 */
export class PointSwitch {
  readonly #options: PointSwitchOptions;
  readonly #network: (place: number) => PointNetwork;
  #place: number;
  #wanted: number;
  #active: LoadedNetwork;
  #next: LoadedNetwork | undefined;
  #loading: Promise<void> | undefined;
  #isClosed = false;
  /** Could not be kept ready: not tried again for that. */
  readonly #unavailable = new Set<PointNetwork>();

  private constructor(options: PointSwitchOptions, active: LoadedNetwork) {
    this.#options = options;
    this.#network = (place) => options.points[place]!.network;
    this.#place = this.#wanted = options.first;
    this.#active = active;
  }

  /** Prepares the first point. @throws AppError of its model */
  static async start(options: PointSwitchOptions): Promise<PointSwitch> {
    const point = options.points[options.first];
    assert(point, 'a switch begins at a point of its ladder');
    return new PointSwitch(options, await LoadedNetwork.load(point.network, options.first));
  }

  /** Place of the point that the next frame is worked on at. */
  get place(): number {
    return this.#place;
  }

  /** Whether a network is being loaded, which takes time from frames that are worked on. */
  get isLoading(): boolean {
    return this.#loading !== undefined;
  }

  /** Place of the other point that could take over at once. */
  get ready(): number | undefined {
    return this.#next?.place;
  }

  /** How many networks are in memory, at most 2. */
  get loadedCount(): number {
    return 1 + (this.#next || this.#loading ? 1 : 0);
  }

  /** Works on a frame at the active point. @throws AppError as `PointRunner.detect` */
  detect(...frame: Parameters<PointRunner['detect']>): ReturnType<PointRunner['detect']> {
    return this.#active.detect(...frame);
  }

  /** Begins to move; the newest wish counts. */
  want(place: number): void {
    this.#wanted = place;
    this.#advance();
  }

  /** Prepares a point that may be wanted suddenly, while none is. */
  keepReady(place: number): void {
    const network = this.#network(place);
    if (this.#wanted !== this.#place || this.#loading || this.#isClosed || this.#unavailable.has(network)) return;
    if (network !== this.#active.network && network !== this.#next?.network) this.#load(place);
  }

  /** Ends the workers, after what is being prepared. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#loading;
    await Promise.all([this.#active.close(), this.#next?.close()]);
  }

  #advance(): void {
    if (this.#wanted === this.#place || this.#isClosed) return;
    const network = this.#network(this.#wanted);
    if (network === this.#active.network) {
      this.#stand(this.#wanted);
    } else if (network === this.#next?.network) {
      this.#takeOver(this.#next, this.#wanted);
    } else {
      if (this.#next && this.#isOnTheWay(this.#next.place)) this.#takeOver(this.#next, this.#next.place);
      if (!this.#loading) this.#load(this.#wanted);
    }
  }

  #isOnTheWay(place: number): boolean {
    return this.#wanted < this.#place ? place < this.#place : place > this.#place && place < this.#wanted;
  }

  #takeOver(next: LoadedNetwork, place: number): void {
    [this.#active, this.#next] = [next, this.#active];
    this.#stand(place);
  }

  #stand(place: number): void {
    const from = this.#place;
    this.#place = this.#active.place = place;
    this.#options.onSwitched(from, place);
  }

  #load(place: number): void {
    const old = this.#next;
    this.#next = undefined;
    const load = async (): Promise<void> => {
      await old?.close();
      this.#next = await LoadedNetwork.load(this.#network(place), place);
    };
    this.#loading = load()
      .catch((error: unknown) => {
        this.#unavailable.add(this.#network(place));
        this.#options.onFailed(place, toAppError(error));
        if (this.#wanted === place) this.#wanted = this.#place;
      })
      .then(() => {
        this.#loading = undefined;
        this.#advance();
      });
  }
}

/** A runner, and how many frames it has: it is only closed when they are done. */
class LoadedNetwork {
  readonly network: PointNetwork;
  /** Of the points that it runs, the one that it was loaded for or worked at last. */
  place: number;
  readonly #runner: PointRunner;
  #inWork = 0;
  #onIdle: () => void = () => undefined;

  private constructor(network: PointNetwork, place: number, runner: PointRunner) {
    this.network = network;
    this.place = place;
    this.#runner = runner;
  }

  static async load(network: PointNetwork, place: number): Promise<LoadedNetwork> {
    return new LoadedNetwork(network, place, await network.prepare());
  }

  async detect(...frame: Parameters<PointRunner['detect']>): ReturnType<PointRunner['detect']> {
    this.#inWork += 1;
    try {
      return await this.#runner.detect(...frame);
    } finally {
      this.#inWork -= 1;
      if (this.#inWork === 0) this.#onIdle();
    }
  }

  async close(): Promise<void> {
    if (this.#inWork > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
    await this.#runner.close();
  }
}
