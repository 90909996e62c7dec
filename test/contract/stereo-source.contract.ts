import type { Subscription } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { frameBytes, type FrameFormat, type StereoFrame } from '../../src/core/frame.js';
import { FramePool } from '../../src/core/frame-pool.js';
import { fitImage } from '../../src/core/image-fit.js';
import type { StereoSource } from '../../src/core/stereo-source.js';
import { ffmpegChildren } from '../../src/sources/ffmpeg.js';

export interface StereoSourceResources {
  /** For the frames of both sides, or of the left one. */
  readonly pool: FramePool;
  /** For those of the right one, where each has its own. */
  readonly rightPool: FramePool;
  readonly format: FrameFormat;
}

export type StereoSourceFactory = (resources: StereoSourceResources) => StereoSource | Promise<StereoSource>;

const FORMAT: FrameFormat = { size: { width: 96, height: 64 }, fit: 'letterbox', padValue: 114 };

/** What a lossless source of pairs promises, whatever it reads. @param pairs that it gives, all of them whole; at least 6. */
export function describeStereoSource(name: string, factory: StereoSourceFactory, pairs: number): void {
  const open = async (buffers = 6): Promise<Opened> => {
    const [pool, rightPool] = [new FramePool(buffers, frameBytes(FORMAT)), new FramePool(buffers, frameBytes(FORMAT))];
    return new Opened(await factory({ pool, rightPool, format: FORMAT }), [pool, rightPool]);
  };

  describe(`${name} keeps the contract of stereo sources`, () => {
    it('gives pairs in order, each side with its facts, and leaves empty pools', async () => {
      const opened = await open();
      const seen = await opened.take(Infinity);
      expect(seen).toHaveLength(pairs);
      expect([opened.dropped, opened.unpaired]).toEqual([0, 0]);
      expect(opened.source.frameCount).toBe(pairs);
      for (const [i, pair] of seen.entries()) expectFacts(pair, seen[i - 1], opened.source.name);
      await opened.expectNothingLeft();
    });

    it('tells that it connects, runs, and ends', async () => {
      const opened = await open();
      await opened.take(Infinity);
      expect(opened.states.filter((state, i, all) => state !== all[i - 1])).toEqual(['connecting', 'running', 'ended']);
      await opened.expectNothingLeft();
    });

    it('loses nothing to a slow consumer, with the fewest buffers', async () => {
      const opened = await open(2);
      const sequences = await opened.takeSlowly();
      expect(sequences).toEqual(Array.from({ length: pairs }, (_, i) => i));
      expect([opened.dropped, opened.unpaired]).toEqual([0, 0]);
      await opened.expectNothingLeft();
    });

    it('stops at once when unsubscribed in mid-stream', async () => {
      const opened = await open();
      expect(await opened.take(3)).toHaveLength(3);
      await opened.expectNothingLeft();
    });

    it('stops while it is still starting', async () => {
      const opened = await open();
      opened.source.frames$.subscribe((pair) => pair.release()).unsubscribe();
      await opened.expectNothingLeft();
    });

    it('starts again for a second subscriber', async () => {
      const opened = await open();
      await opened.take(2);
      const again = await opened.take(2);
      expect(again.map(({ left }) => left.sequence)).toEqual([0, 1]);
      await opened.expectNothingLeft();
    });
  });
}

type SeenPair = Pick<StereoFrame, 'left' | 'right' | 'skewUs'>;

class Opened {
  readonly source: StereoSource;
  readonly states: string[] = [];
  dropped = 0;
  unpaired = 0;
  readonly #pools: readonly FramePool[];

  constructor(source: StereoSource, pools: readonly FramePool[]) {
    this.source = source;
    this.#pools = pools;
    source.events$.subscribe(({ state }) => this.states.push(state));
    source.onDropped = (_, count) => (this.dropped += count);
    source.onUnpaired = (_, count) => (this.unpaired += count);
  }

  take(count: number): Promise<SeenPair[]> {
    return new Promise((resolve, reject) => {
      const seen: SeenPair[] = [];
      const subscription: Subscription = this.source.frames$.subscribe({
        next: (pair) => {
          if (seen.length < count) seen.push(pair);
          pair.release();
          if (seen.length < count) return;
          queueMicrotask(() => subscription.unsubscribe());
          resolve(seen);
        },
        error: reject,
        complete: () => resolve(seen),
      });
    });
  }

  /** Holds each pair over several turns of the event loop. */
  takeSlowly(): Promise<number[]> {
    return new Promise((resolve, reject) => {
      const sequences: number[] = [];
      let held = 0;
      let ended = false;
      const settle = (): void => {
        if (ended && held === 0) resolve(sequences);
      };
      this.source.frames$.subscribe({
        next: (pair) => {
          sequences.push(pair.left.sequence);
          held += 1;
          setTimeout(() => {
            pair.release();
            held -= 1;
            settle();
          }, 3);
        },
        error: reject,
        complete: () => {
          ended = true;
          settle();
        },
      });
    });
  }

  async expectNothingLeft(): Promise<void> {
    await Promise.all(ffmpegChildren().map(({ exited }) => exited));
    expect(ffmpegChildren()).toHaveLength(0);
    expect(this.#pools.map(({ inUse }) => inUse)).toEqual([0, 0]);
  }
}

function expectFacts({ left, right, skewUs }: SeenPair, before: SeenPair | undefined, name: string): void {
  expect(skewUs).toBe(right.ptsUs - left.ptsUs);
  for (const frame of [left, right]) {
    expect(frame.source.startsWith(name)).toBe(true);
    expect(frame.format).toEqual(FORMAT);
    expect(frame.fit).toEqual(fitImage(frame.sourceSize, FORMAT.size, FORMAT.fit));
    expect(frame.arrivedMs).toBeGreaterThanOrEqual(frame.firstByteMs);
  }
  expect(left.source).not.toBe(right.source);
  expect(left.sourceSize).toEqual(right.sourceSize);
  if (!before) return;
  expect(left.ptsUs).toBeGreaterThan(before.left.ptsUs);
  expect(right.ptsUs).toBeGreaterThan(before.right.ptsUs);
  expect(left.sequence).toBe(before.left.sequence + 1);
}
