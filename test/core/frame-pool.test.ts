import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FramePool, type PooledBuffer } from '../../src/core/frame-pool.js';

describe('a pool', () => {
  test.each([
    ['one buffer', 1, 10],
    ['no buffers', 0, 10],
    ['half a buffer', 2.5, 10],
    ['buffers without a byte', 2, 0],
    ['buffers of half a byte', 2, 0.5],
  ])('of %s is a mistake', (_, capacity, bytes) => {
    expect(() => new FramePool(capacity, bytes)).toThrow('Invariant broken');
  });

  test('gives shared memory of the size that was asked for, a block for each buffer', () => {
    const pool = new FramePool(3, 100);
    const buffers = [pool.acquire()!, pool.acquire()!, pool.acquire()!];
    expect(pool.acquire()).toBeUndefined();
    for (const { bytes } of buffers) {
      expect(bytes).toHaveLength(100);
      expect(bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
      expect(bytes.buffer.byteLength).toBe(100);
    }
    expect(new Set(buffers.map(({ bytes }) => bytes.buffer)).size).toBe(3);
    expect([pool.capacity, pool.bytesPerBuffer, pool.inUse]).toEqual([3, 100, 3]);
  });

  test('takes a buffer back once', () => {
    const pool = new FramePool(2, 1);
    const buffer = pool.acquire()!;
    buffer.free();
    expect(() => buffer.free()).toThrow('freed twice');
    expect(pool.inUse).toBe(0);
  });

  test('does not take it back from an owner of long ago, when it is somebody else’s', () => {
    const pool = new FramePool(2, 1);
    const old = pool.acquire()!;
    old.free();
    const current = pool.acquire()!;
    expect(current.bytes).toBe(old.bytes);
    expect(() => old.free()).toThrow('freed twice');
    expect(pool.inUse).toBe(1);
  });
});

describe('onceFree', () => {
  test('calls those who wait in their order, one for each buffer', () => {
    const pool = new FramePool(2, 1);
    const buffers = [pool.acquire()!, pool.acquire()!];
    const called: string[] = [];
    for (const name of ['a', 'b', 'c']) pool.onceFree(() => called.push(name));
    buffers[0]!.free();
    expect(called).toEqual(['a']);
    buffers[1]!.free();
    expect(called).toEqual(['a', 'b']);
  });

  test('finds the buffer free when it calls', () => {
    const pool = new FramePool(2, 1);
    const buffers = [pool.acquire()!, pool.acquire()!];
    let got: PooledBuffer | undefined;
    pool.onceFree(() => (got = pool.acquire()));
    buffers[0]!.free();
    expect(got?.bytes).toBe(buffers[0]!.bytes);
    expect(pool.inUse).toBe(2);
  });

  test('does not call who has withdrawn; withdrawing again, or after the call, does nothing', () => {
    const pool = new FramePool(2, 1);
    const buffers = [pool.acquire()!, pool.acquire()!];
    const called: string[] = [];
    const withdraw = pool.onceFree(() => called.push('a'));
    const withdrawLate = pool.onceFree(() => called.push('b'));
    pool.onceFree(() => called.push('c'));
    withdraw();
    withdraw();
    buffers[0]!.free();
    withdrawLate();
    buffers[1]!.free();
    expect(called).toEqual(['b', 'c']);
  });
});

test('for any order of acquiring and freeing: no buffer is out twice, inUse is what is out', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 6 }), fc.array(fc.nat({ max: 9 }), { maxLength: 80 }), (capacity, acts) => {
      const pool = new FramePool(capacity, 4);
      const out: PooledBuffer[] = [];
      for (const act of acts) {
        if (act < 5) {
          const buffer = pool.acquire();
          expect(buffer === undefined).toBe(out.length === capacity);
          if (buffer) out.push(buffer);
        } else if (out.length > 0) out.splice(act % out.length, 1)[0]!.free();
        expect(pool.inUse).toBe(out.length);
        expect(new Set(out.map(({ bytes }) => bytes)).size).toBe(out.length);
      }
    }),
  );
});
