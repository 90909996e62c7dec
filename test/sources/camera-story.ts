import { afterEach, beforeEach, expect } from 'vitest';
import { filter, firstValueFrom, type Observable, type Subscription, timeout } from 'rxjs';
import type { Frame } from '../../src/core/frame.js';
import { frameBytes } from '../../src/core/frame.js';
import { FramePool } from '../../src/core/frame-pool.js';
import type { Source, SourceEvent, SourceState } from '../../src/core/source.js';
import { ffmpegChildren } from '../../src/sources/ffmpeg.js';
import { createNetworkSource, type NetworkSourceOptions } from '../../src/sources/network-source.js';
import { type RtspFixture, type RtspServerOptions, startRtspServer } from '../fixtures/rtsp/rtsp-server.js';
import { formatOf } from './decoding.js';

const FORMAT = formatOf(160, 120);

/** Facts of a frame that outlive its release. */
export type Seen = Pick<Frame, 'sequence' | 'ptsUs' | 'capture' | 'firstByteMs'>;

/** A network source that is being watched: everything that it told, in order. */
export class CameraStory {
  readonly pool = new FramePool(4, frameBytes(FORMAT));
  readonly source: Source;
  readonly events: SourceEvent[] = [];
  readonly frames: Seen[] = [];
  readonly dropped: Record<string, number> = {};
  readonly #subscription: Subscription;
  completed = false;
  error: unknown;
  readonly #onFrame = new Set<() => void>();

  constructor(options: Partial<NetworkSourceOptions> & { readonly url: string }) {
    const backoff = { initialMs: 50, maxMs: 200 };
    this.source = createNetworkSource({ name: 'camera', format: FORMAT, pool: this.pool, backoff, ...options });
    this.source.events$.subscribe((event) => this.events.push(event));
    this.source.onDropped = (reason, count) => (this.dropped[reason] = (this.dropped[reason] ?? 0) + count);
    this.#subscription = this.source.frames$.subscribe({
      next: (frame) => {
        const { sequence, ptsUs, capture, firstByteMs } = frame;
        this.frames.push({ sequence, ptsUs, capture, firstByteMs });
        frame.release();
        for (const callback of [...this.#onFrame]) callback();
      },
      error: (error: unknown) => (this.error = error),
      complete: () => (this.completed = true),
    });
  }

  get states(): SourceState[] {
    return this.events.map(({ state }) => state);
  }

  get codes(): string[] {
    return this.events.flatMap(({ code }) => (code ? [code] : []));
  }

  /** The next event of this kind after those that were seen when it is called. */
  next(wanted: (event: SourceEvent) => boolean, withinMs = 15_000): Promise<SourceEvent> {
    const known = new Set(this.events);
    return firstValueFrom(timeLimited(this.source.events$.pipe(filter((event) => !known.has(event) && wanted(event))), withinMs));
  }

  until(state: SourceState): Promise<SourceEvent> {
    return this.next((event) => event.state === state);
  }

  /** Resolves when `count` more frames have come. */
  moreFrames(count: number): Promise<void> {
    const goal = this.frames.length + count;
    return new Promise((resolve) => {
      const check = (): void => {
        if (this.frames.length < goal) return;
        this.#onFrame.delete(check);
        resolve();
      };
      this.#onFrame.add(check);
    });
  }

  stop(): void {
    this.#subscription.unsubscribe();
  }
}

/** Small pictures, and a keyframe four times a second: stories begin soon. */
const PICTURE: RtspServerOptions = { width: 160, height: 120, keyframeInterval: 6, frames: 120 };

/** A camera for each test of a file, and the end that each story must come to: no process, no buffer. */
export class CameraStage {
  #camera: RtspFixture | undefined;
  #stories: CameraStory[] = [];

  constructor() {
    beforeEach(async () => {
      this.#camera = await startRtspServer(PICTURE);
    });
    afterEach(async () => {
      for (const story of this.#stories) story.stop();
      await this.camera.close();
      await Promise.all(ffmpegChildren().map(({ exited }) => exited));
      for (const { pool } of this.#stories.splice(0)) expect(pool.inUse).toBe(0);
    });
  }

  get camera(): RtspFixture {
    return this.#camera!;
  }

  watch(options: Partial<NetworkSourceOptions> = {}): CameraStory {
    const story = new CameraStory({ url: this.camera.url, ...options });
    this.#stories.push(story);
    return story;
  }
}

function timeLimited<T>(values$: Observable<T>, ms: number): Observable<T> {
  return values$.pipe(timeout({ first: ms }));
}
