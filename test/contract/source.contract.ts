import type { Subscription } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { AppError, ErrorCode } from '../../src/core/errors.js';
import { type Frame, frameBytes, type FrameFormat } from '../../src/core/frame.js';
import { FramePool } from '../../src/core/frame-pool.js';
import { fitImage } from '../../src/core/image-fit.js';
import type { Delivery, Source } from '../../src/core/source.js';
import { ffmpegChildren } from '../../src/sources/ffmpeg.js';

/** What a test of one kind of source gives the suite. */
export interface SourceResources {
  readonly pool: FramePool;
  readonly format: FrameFormat;
}

export type SourceFactory = (resources: SourceResources) => Source | Promise<Source>;

export interface SourceExpectations {
  readonly delivery: Delivery;
  /** Frames that a lossless source gives from its beginning to its end, or that a live one is watched for. At least 8. */
  readonly frames: number;
  /** A source of the same kind that can't go on after some frames, at least so many. */
  readonly failing?: { readonly factory: SourceFactory; readonly code: ErrorCode; readonly atLeastFrames: number };
  /** A format to ask for; 64 x 48 stretched where absent. */
  readonly format?: FrameFormat;
}

const FORMAT: FrameFormat = { size: { width: 64, height: 48 }, fit: 'stretch', padValue: 114 };
const POOL_BUFFERS = 4;

/** What every source promises, whatever it reads: run by each implementation's test with its own factory. */
export function describeSource(name: string, factory: SourceFactory, expectations: SourceExpectations): void {
  const { delivery, frames, failing } = expectations;
  const open = async (make: SourceFactory = factory): Promise<Opened> => {
    const format = expectations.format ?? FORMAT;
    const pool = new FramePool(POOL_BUFFERS, frameBytes(format));
    return new Opened(await make({ pool, format }), pool, format);
  };

  describe(`${name} keeps the contract of sources`, () => {
    it('gives frames in order, each with its facts, and leaves an empty pool', async () => {
      const opened = await open();
      expect(opened.source.delivery).toBe(delivery);
      const seen = await opened.take(delivery === 'live' ? frames : Infinity);
      if (delivery === 'lossless') expect(seen).toHaveLength(frames);
      expectInOrder(seen, delivery);
      for (const frame of seen) expectFacts(frame, opened);
      expect(opened.pool.inUse).toBe(0);
      await expectNoChildren();
    });

    it('tells that it connects, then that it runs', async () => {
      const opened = await open();
      const states = opened.states;
      await opened.take(frames > 8 ? 8 : frames);
      expect(states.slice(0, 2)).toEqual(['connecting', 'running']);
      await expectNoChildren();
    });

    it('stops at once when unsubscribed in mid-stream: no process and no buffer stays', async () => {
      const opened = await open();
      const seen = await opened.take(3);
      expect(seen).toHaveLength(3);
      expect(opened.pool.inUse).toBe(0);
      await expectNoChildren();
      expect(opened.emittedAfterStop).toBe(0);
    });

    it('stops while it is still starting', async () => {
      const opened = await open();
      opened.source.frames$.subscribe((frame) => frame.release()).unsubscribe();
      await expectNoChildren();
      expect(opened.pool.inUse).toBe(0);
    });

    it('starts again for a second subscriber', async () => {
      const opened = await open();
      await opened.take(2);
      const again = await opened.take(2);
      expect(again.map(({ sequence }) => sequence)).toEqual([0, 1]);
      expect(opened.pool.inUse).toBe(0);
      await expectNoChildren();
    });

    if (delivery === 'lossless') {
      it('loses nothing to a slow consumer', async () => {
        const opened = await open();
        const sequences = await opened.takeSlowly();
        expect(sequences).toEqual(Array.from({ length: frames }, (_, i) => i));
        expect(opened.dropped).toEqual({});
        expect(opened.pool.inUse).toBe(0);
        await expectNoChildren();
      });
    } else {
      it('drops what a consumer that holds all buffers cannot take, and counts it', async () => {
        const opened = await open();
        const { held, after } = await opened.holdAllBuffers();
        const lost = opened.dropped['pool_exhausted'] ?? 0;
        expect(lost).toBeGreaterThan(0);
        expect(after.sequence - held.sequence - 1).toBe(lost + (opened.dropped['corrupt'] ?? 0));
        expect(opened.pool.inUse).toBe(0);
        await expectNoChildren();
      });
    }

    if (failing) {
      it(`gives what it has and then ${failing.code}`, async () => {
        const opened = await open(failing.factory);
        const { seen, error } = await opened.takeUntilError();
        expect(error?.code).toBe(failing.code);
        expect(error?.message).not.toBe('');
        expect(seen).toBeGreaterThanOrEqual(failing.atLeastFrames);
        expect(opened.states.at(-1)).toBe('failed');
        expect(opened.pool.inUse).toBe(0);
        await expectNoChildren();
      });
    }
  });
}

/** The facts of a frame, kept after its release. */
type SeenFrame = Pick<Frame, 'sequence' | 'ptsUs' | 'firstByteMs' | 'arrivedMs' | 'source' | 'capture' | 'sourceSize' | 'fit' | 'format'> & {
  readonly bytes: number;
  readonly shared: boolean;
};

class Opened {
  readonly source: Source;
  readonly pool: FramePool;
  readonly format: FrameFormat;
  readonly states: string[] = [];
  readonly dropped: Record<string, number> = {};
  emittedAfterStop = 0;

  constructor(source: Source, pool: FramePool, format: FrameFormat) {
    this.source = source;
    this.pool = pool;
    this.format = format;
    source.events$.subscribe(({ state }) => this.states.push(state));
    source.onDropped = (reason, count) => (this.dropped[reason] = (this.dropped[reason] ?? 0) + count);
  }

  /** The first `count` frames, each released at once, then unsubscribes; fewer where the source ends before. */
  take(count: number): Promise<SeenFrame[]> {
    return new Promise((resolve, reject) => {
      const seen: SeenFrame[] = [];
      let stopped = false;
      const subscription: Subscription = this.source.frames$.subscribe({
        next: (frame) => {
          if (stopped) this.emittedAfterStop += 1;
          else seen.push(factsOf(frame));
          frame.release();
          if (seen.length < count || stopped) return;
          stopped = true;
          // The first frame may come while subscribe() still runs.
          queueMicrotask(() => subscription.unsubscribe());
          resolve(seen);
        },
        error: reject,
        complete: () => resolve(seen),
      });
    });
  }

  /** Holds each frame over several turns of the event loop. */
  takeSlowly(): Promise<number[]> {
    return new Promise((resolve, reject) => {
      const sequences: number[] = [];
      this.source.frames$.subscribe({
        next: (frame) => {
          sequences.push(frame.sequence);
          setTimeout(() => frame.release(), 4);
        },
        error: reject,
        // The last frames are still held.
        complete: () => setTimeout(() => resolve(sequences), 20),
      });
    });
  }

  takeUntilError(): Promise<{ seen: number; error: AppError | undefined }> {
    return new Promise((resolve) => {
      let seen = 0;
      this.source.frames$.subscribe({
        next: (frame) => {
          seen += 1;
          frame.release();
        },
        error: (error: unknown) => resolve({ seen, error: error as AppError }),
        complete: () => resolve({ seen, error: undefined }),
      });
    });
  }

  /** Keeps frames until the pool is empty and something was dropped, gives all back, and waits for the next frame. */
  holdAllBuffers(): Promise<{ held: SeenFrame; after: SeenFrame }> {
    return new Promise((resolve, reject) => {
      const kept: Frame[] = [];
      let held: SeenFrame | undefined;
      const count = this.source.onDropped;
      this.source.onDropped = (reason, lost) => {
        count(reason, lost);
        for (const frame of kept.splice(0)) frame.release();
      };
      const subscription = this.source.frames$.subscribe({
        next: (frame) => {
          if (held && kept.length === 0) {
            resolve({ held, after: factsOf(frame) });
            frame.release();
            subscription.unsubscribe();
            return;
          }
          kept.push(frame);
          if (kept.length === POOL_BUFFERS) held = factsOf(frame);
        },
        error: reject,
        complete: () => reject(new Error('ended before anything was dropped')),
      });
    });
  }
}

function factsOf(frame: Frame): SeenFrame {
  const { sequence, ptsUs, firstByteMs, arrivedMs, source, capture, sourceSize, fit, format, pixels } = frame;
  const shared = pixels.buffer instanceof SharedArrayBuffer;
  return { sequence, ptsUs, firstByteMs, arrivedMs, source, capture, sourceSize, fit, format, bytes: pixels.length, shared };
}

function expectInOrder(frames: readonly SeenFrame[], delivery: Delivery): void {
  for (const [i, frame] of frames.entries()) {
    const before = frames[i - 1];
    if (!before) {
      expect(frame.sequence).toBe(0);
      continue;
    }
    if (delivery === 'lossless') expect(frame.sequence).toBe(before.sequence + 1);
    else expect(frame.sequence).toBeGreaterThan(before.sequence);
    expect(frame.ptsUs).toBeGreaterThan(before.ptsUs);
    expect(frame.arrivedMs).toBeGreaterThanOrEqual(before.arrivedMs);
  }
}

function expectFacts(frame: SeenFrame, { source, format }: Opened): void {
  expect(frame.source).toBe(source.name);
  expect(frame.format).toEqual(format);
  expect(frame.bytes).toBe(frameBytes(format));
  expect(frame.shared).toBe(true);
  expect(frame.arrivedMs).toBeGreaterThanOrEqual(frame.firstByteMs);
  expect(frame.sourceSize.width * frame.sourceSize.height).toBeGreaterThan(0);
  expect(frame.fit).toEqual(fitImage(frame.sourceSize, format.size, format.fit));
  // A time and how well it is known come together or not at all.
  expect(frame.capture.uncertaintyMs === undefined).toBe(frame.capture.epochMs === undefined);
}

/** No ffmpeg of ours is left once those that were told to stop have ended. */
async function expectNoChildren(): Promise<void> {
  const stopping = ffmpegChildren();
  await Promise.all(stopping.map(({ exited }) => exited));
  for (const { pid } of stopping) expect(isAlive(pid)).toBe(false);
  expect(ffmpegChildren()).toHaveLength(0);
}

function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
