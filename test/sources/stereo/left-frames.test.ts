import { join } from 'node:path';
import { readFileSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { map, type Observable, Subject } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { describe, expect, it, test } from 'vitest';
import { Frame, frameBytes, type FrameFormat } from '../../../src/core/frame.js';
import { FramePool } from '../../../src/core/frame-pool.js';
import type { Source } from '../../../src/core/source.js';
import { createFileSource } from '../../../src/sources/file-source.js';
import { leftFramesOf } from '../../../src/sources/stereo/left-frames.js';
import { pairByPts } from '../../../src/sources/stereo/pair-by-pts.js';
import { StereoPairer } from '../../../src/sources/stereo/stereo-pairer.js';
import { createStereoSource } from '../../../src/sources/stereo/stereo-source.js';
import { tempFolder } from '../../fixtures/temp-folder.js';
import { picture, put } from '../dataset/pictures.js';
import { oneSide } from './stereo-clips.js';

const TINY = { size: { width: 1, height: 1 }, fit: 'stretch', padValue: 0 } as const;
const FORMAT: FrameFormat = { size: { width: 160, height: 96 }, fit: 'stretch', padValue: 0 };
const root = tempFolder();

function makeFrame(pool: FramePool, ptsUs: number, sequence = 0): Frame {
  const buffer = pool.acquire();
  if (!buffer) throw new Error('the pool of the test is too small');
  const capture = { clock: 'host', epochMs: undefined, uncertaintyMs: undefined } as const;
  return new Frame({ source: 's', sequence, ptsUs, capture, firstByteMs: 0, arrivedMs: 0, sourceSize: TINY.size, format: TINY, fit: { scaleX: 1, scaleY: 1, padX: 0, padY: 0 } }, buffer);
}

describe('a frame and its partner', () => {
  test('are given back together, when nobody has the left one any more', () => {
    const pool = new FramePool(2, 3);
    const frame = makeFrame(pool, 0).joinRight(makeFrame(pool, 0));
    frame.retain().release();
    expect([pool.inUse, frame.right?.pixels.length]).toEqual([2, 3]);
    frame.release();
    expect(pool.inUse).toBe(0);
  });

  test('are two: a second partner is a mistake', () => {
    const pool = new FramePool(3, 3);
    const frame = makeFrame(pool, 0).joinRight(makeFrame(pool, 0));
    expect(() => frame.joinRight(makeFrame(pool, 0))).toThrow(/one partner/);
  });
});

/** Names of left frames and how they come out: a letter alone, or `*` with its partner. */
function runMarbles(left: string, right: string, maxWaitMs: number | undefined): { readonly out: string; readonly inUse: number } {
  const pool = new FramePool(64, 3);
  const out: string[] = [];
  new TestScheduler(() => undefined).run(({ cold, flush }) => {
    const framesOf = (marbles: string): Observable<Frame> => cold(marbles).pipe(map((name) => makeFrame(pool, Number(name) * 40_000, Number(name))));
    const give = (frame: Frame): void => {
      out.push(`${frame.sequence}${frame.right ? '*' : ''}`);
      frame.release();
    };
    const pairs$ = pairByPts(framesOf(left), framesOf(right), { toleranceUs: 10_000, onLeftAlone: give, maxWaitMs });
    pairs$.subscribe((pair) => give(pair.left.joinRight(pair.right)));
    flush();
  });
  return { out: out.join(' '), inUse: pool.inUse };
}

describe('left frames without partner', () => {
  test.each<[string, string, string, number | undefined, string]>([
    ['come alone, in their order', '0-1-2-3|', '0---2-3|', undefined, '0* 1 2* 3*'],
    ['come alone after the right side has ended', '0-1-2-3-4|', '0-1|', undefined, '0* 1* 2 3 4'],
    ['wait for their partners a while', '0----1----2----|', '---0----1----2-|', 4, '0* 1* 2*'],
    ['and no longer: then the partner comes in vain', '0----1----2----|', '---0----1----2-|', 2, '0 1 2'],
    ['without a limit wait until four more wait', '012345|', '------|', undefined, '0 1 2 3 4 5'],
    ['of a right side that never comes', '0-1-2-3|', '-------|', 1, '0 1 2 3'],
  ])('%s', (_, left, right, maxWaitMs, expected) => {
    expect(runMarbles(left, right, maxWaitMs)).toEqual({ out: expected, inUse: 0 });
  });

  test('wait no more once the right side has been silent for eight left ones, and again when it is back', () => {
    const pool = new FramePool(64, 3);
    const out: string[] = [];
    const give = (frame: Frame): void => {
      out.push(`${frame.sequence}${frame.right ? '*' : ''}`);
      frame.release();
    };
    const pairer = new StereoPairer({ toleranceUs: 0, onLeftAlone: give }, (pair) => give(pair.left.joinRight(pair.right)));
    const push = (side: 'left' | 'right', i: number): void => pairer.push(side, makeFrame(pool, i * 40_000, i));
    push('right', 0);
    push('left', 0);
    for (let i = 1; i <= 7; i += 1) push('left', i);
    expect(out.join(' ')).toBe('0* 1 2 3');
    push('left', 8);
    expect(out.join(' ')).toBe('0* 1 2 3 4 5 6 7 8');
    push('right', 10);
    push('left', 10);
    push('left', 11);
    push('right', 11);
    expect(out.slice(-2)).toEqual(['10*', '11*']);
    expect(pool.inUse).toBe(0);
  });

  test('whatever comes, every left frame comes out once, in order, and every buffer goes back', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 3 })), { maxLength: 60 }), (steps) => {
        const pool = new FramePool(128, 3);
        const out: number[] = [];
        const give = (frame: Frame): void => {
          out.push(frame.sequence);
          frame.release();
        };
        const pairer = new StereoPairer({ toleranceUs: 1, onLeftAlone: give }, (pair) => give(pair.left.joinRight(pair.right)));
        const clock = { left: 0, right: 0 };
        let lefts = 0;
        for (const [isLeft, step] of steps) {
          const side = isLeft ? 'left' : 'right';
          clock[side] += step;
          pairer.push(side, makeFrame(pool, clock[side], isLeft ? lefts++ : 0));
        }
        pairer.end('left');
        pairer.end('right');
        expect(out).toEqual(Array.from({ length: lefts }, (_, i) => i));
        expect(pool.inUse).toBe(0);
      }),
    );
  });
});

/** How a source's left frames come: their number, `*` with a partner. */
async function watch(source: Source): Promise<{ readonly frames: string[]; readonly codes: (string | undefined)[]; readonly error: unknown }> {
  const frames: string[] = [];
  const codes: (string | undefined)[] = [];
  source.events$.subscribe(({ code }) => codes.push(code));
  const error = await new Promise((resolve) => {
    source.frames$.subscribe({
      next: (frame) => {
        frames.push(`${frame.sequence}${frame.right ? '*' : ''}`);
        frame.release();
      },
      error: resolve,
      complete: () => resolve(undefined),
    });
  });
  return { frames, codes, error };
}

describe('recordings', () => {
  const pools = [new FramePool(6, frameBytes(FORMAT)), new FramePool(6, frameBytes(FORMAT))] as const;
  const pairOf = async (leftPath: string, rightPath: string): Promise<Source> => {
    const left = await createFileSource({ name: 'p.left', path: leftPath, pool: pools[0], format: FORMAT });
    const right = await createFileSource({ name: 'p.right', path: rightPath, pool: pools[1], format: FORMAT });
    return leftFramesOf(await createStereoSource({ kind: 'pair', name: 'p', left, right }));
  };
  const starred = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => `${from + i}*`);

  it('of which frames of one side are missing: the left ones come, in order', async () => {
    const { frames, error } = await watch(await pairOf(await oneSide(), await oneSide({ without: 'eq(n\\,5)+eq(n\\,6)' })));
    expect(frames).toEqual([...starred(0, 5), '5', '6', ...starred(7, 20)]);
    expect(error).toBeUndefined();
  });

  it('whose right side is cut: the left one is played to its end, and then the fault is told', async () => {
    const cut = join(root, 'cut.mkv');
    const whole = readFileSync(await oneSide({ frames: 60 }));
    writeFileSync(cut, whole.subarray(0, whole.length >> 1));
    const { frames, codes, error } = await watch(await pairOf(await oneSide({ frames: 60 }), cut));
    expect(frames).toHaveLength(60);
    expect(frames.map((frame) => parseInt(frame, 10))).toEqual(Array.from({ length: 60 }, (_, i) => i));
    expect([frames[0], frames[59]]).toEqual(['0*', '59']);
    expect(codes).toContain('ERR_SOURCE_TRUNCATED');
    expect(error).toMatchObject({ code: 'ERR_SOURCE_TRUNCATED' });
    expect(pools.map(({ inUse }) => inUse)).toEqual([0, 0]);
  });

  it('in folders: a picture whose partner is missing or broken comes alone', async () => {
    const folder = join(root, 'kitti');
    const png = await picture('png', { width: 96, height: 64, seed: 1 });
    for (const name of ['0.png', '1.png', '2.png', '3.png']) for (const side of ['left', 'right']) put(join(folder, side, name), png);
    put(join(folder, 'right', '1.png'), '');
    put(join(folder, 'left', '4.png'), png);
    const pool = new FramePool(4, frameBytes(FORMAT));
    const { frames, error } = await watch(leftFramesOf(await createStereoSource({ kind: 'folder', name: 'k', folder, pool, format: FORMAT })));
    expect(frames).toEqual(['0*', '1', '2*', '3*', '4']);
    expect(error).toBeUndefined();
    expect(pool.inUse).toBe(0);
  });
});

test('frames that come after nobody wants them are given back', () => {
  const pool = new FramePool(8, 3);
  const [left$, right$] = [new Subject<Frame>(), new Subject<Frame>()];
  const stop$ = new Subject<void>();
  const subscription = pairByPts(left$, right$, { toleranceUs: 0, onLeftAlone: (frame) => frame.release(), maxWaitMs: 1000 }).subscribe((pair) => pair.release());
  left$.next(makeFrame(pool, 0));
  left$.next(makeFrame(pool, 1));
  expect(pool.inUse).toBe(2);
  subscription.unsubscribe();
  stop$.next();
  expect(pool.inUse).toBe(0);
});
