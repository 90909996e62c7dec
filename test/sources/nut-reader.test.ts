import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { AppError } from '../../src/core/errors.js';
import { type NutFrame, NutReader, type NutStream, ticksToUs } from '../../src/sources/nut-reader.js';

/** Three frames of 4 x 2 pixels at 25 a second, byte for byte what ffmpeg 5.1 and 4.1 write into a pipe. */
const ONE_STREAM = bytes(`
  6e75742f6d756c74696d6564696120636f6e7461696e6572004e4d7a561f5f04ad4a030181ff7f0101839000c00006000000000001a000020101280100290021
  019f7f20029f7f8179c00006000000000001060300000104000001b602fffa02fffb02fffc02fffd10fb95f34e5311405bf2f9db1800000447330008000e8390
  000000000402010100e3b7d8d34e49ab68b596ba78090000000000000000004e49ab68b596ba7833010000000207656e636f646572020d4c6176632072617776
  6964656f0c725f6672616d655f72617465020432352f317258f40a4e4be4adeeca45690600000000000003001820202020202020202f2f2f2f2f2f2f2f101010
  1010101010041820202020202020202f2f2f2f2f2f2f2f1010101010101010041820202020202020202f2f2f2f2f2f2f2f1010101010101010`);

/** Two streams of two frames, time bases 1/64000 and 1/90000, from 7200 s on. */
const TWO_STREAMS = bytes(`
  6e75742f6d756c74696d6564696120636f6e7461696e6572004e4d7a561f5f04ad5d030281ff7f020183f4000185bf10c00006000000000001a0000201012801
  0029002101a77f2002a77f7b280300010129002101b81f2002b81f7bc00006000000000001060300000104000001b602fffa02fffb02fffc02fffd76af1c5a4e
  5311405bf2f9db1800000447330008000e83f40000000004020101000a791a914e5311405bf2f9db1801000447330008010e85bf100000000402010100fc09d4
  4f4e49ab68b596ba78090000000000000000004e49ab68b596ba7848010000000307656e636f646572020d4c61766320726177766964656f0b446973706f7369
  74696f6e020764656661756c740c725f6672616d655f72617465020432352f31bdf1bd6f4e49ab68b596ba7833020000000207656e636f646572020d4c617663
  20726177766964656f0c725f6672616d655f72617465020432352f31cf0fa7604e4be4adeeca45690a83b7ba800000ecceaa4c03001820202020202020202f2f
  2f2f2f2f2f2f10101010101010104e4be4adeeca45690a84e9fdc80102b5ed1f9d82e40018e5e5e5e5e5e5e5e5d2d2d2d2d2d2d2d2f2f2f2f2f2f2f2f2041820
  202020202020202f2f2f2f2f2f2f2f10101010101010108318e5e5e5e5e5e5e5e5d2d2d2d2d2d2d2d2f2f2f2f2f2f2f2f2`);

const DARK = [...Array<number>(8).fill(0x20), ...Array<number>(8).fill(0x2f), ...Array<number>(8).fill(0x10)];
const LIGHT = [...Array<number>(8).fill(0xe5), ...Array<number>(8).fill(0xd2), ...Array<number>(8).fill(0xf2)];

const ONE_STREAM_FRAMES = [0, 40_000, 80_000].map((ptsUs) => ({ stream: 0, ptsUs, payloadBytes: 24, pixels: DARK }));
const TWO_STREAM_FRAMES = [
  { stream: 0, ptsUs: 7_200_000_000, payloadBytes: 24, pixels: DARK },
  { stream: 1, ptsUs: 7_200_000_000, payloadBytes: 24, pixels: LIGHT },
  { stream: 0, ptsUs: 7_200_040_000, payloadBytes: 24, pixels: DARK },
  { stream: 1, ptsUs: 7_200_040_000, payloadBytes: 24, pixels: LIGHT },
];

describe('NutReader', () => {
  it('reads streams and frames', () => {
    const reading = new Reading();
    reading.feed(ONE_STREAM);
    expect(reading.streams).toMatchObject([{ width: 4, height: 2, timeBase: { numerator: 1, denominator: 51_200 } }]);
    expect(reading.frames).toEqual(ONE_STREAM_FRAMES);
    expect(reading.reader.atBoundary).toBe(true);
  });

  it('keeps the streams apart, each in its own ticks', () => {
    const reading = new Reading();
    reading.feed(TWO_STREAMS);
    expect(reading.frames).toEqual(TWO_STREAM_FRAMES);
  });

  test.each([
    ['one stream', ONE_STREAM, ONE_STREAM_FRAMES],
    ['two streams', TWO_STREAMS, TWO_STREAM_FRAMES],
  ])('reads the same wherever the bytes are split: %s', (_, file, frames) => {
    for (let split = 0; split <= file.length; split += 1) {
      const reading = new Reading();
      reading.feed(file.subarray(0, split));
      reading.feed(file.subarray(split));
      expect(reading.frames, `split at ${split}`).toEqual(frames);
    }
  });

  it('reads the same byte by byte', () => {
    const reading = new Reading();
    for (const byte of TWO_STREAMS) reading.feed(Uint8Array.of(byte));
    expect(reading.frames).toEqual(TWO_STREAM_FRAMES);
  });

  it('is at a boundary after a whole frame only', () => {
    const lastFrame = ONE_STREAM.length - 26;
    const reading = new Reading();
    reading.feed(ONE_STREAM.subarray(0, lastFrame));
    expect(reading.reader.atBoundary).toBe(true);
    reading.feed(ONE_STREAM.subarray(lastFrame, -1));
    expect(reading.reader.atBoundary).toBe(false);
    reading.feed(ONE_STREAM.subarray(-1));
    expect(reading.reader.atBoundary).toBe(true);
  });

  it('offers the rest of the payload buffer itself while a payload is due', () => {
    const buffer = new Uint8Array(new SharedArrayBuffer(24));
    const reading = new Reading(() => buffer);
    reading.feed(ONE_STREAM.subarray(0, -4));
    const region = reading.reader.region();
    expect(region.buffer).toBe(buffer.buffer);
    expect([region.byteOffset, region.byteLength]).toEqual([20, 4]);
  });

  it.each(Array.from({ length: 4 }, (_, i) => i))('blocks where there is no room, and goes on when there is: frame %i', (refused) => {
    for (let readBytes = 1; readBytes <= 160; readBytes += 3) {
      let asked = 0;
      const reading = new Reading(() => (asked++ === refused ? undefined : new Uint8Array(24)));
      const rest = reading.feed(TWO_STREAMS, readBytes);
      expect(reading.reader.blocked).toBe(true);
      expect(reading.frames).toHaveLength(refused);
      expect(reading.reader.resume()).toBe(true);
      reading.feed(rest, readBytes);
      expect(reading.frames).toEqual(TWO_STREAM_FRAMES);
    }
  });

  it('takes bytes that land in the scratch region after it was resumed', () => {
    let room = false;
    const reading = new Reading(() => (room ? new Uint8Array(24) : undefined));
    const rest = reading.feed(ONE_STREAM);
    const region = reading.reader.region(); // Node asks for it before it hears of the pause
    room = true;
    reading.reader.resume();
    const count = Math.min(region.length, rest.length);
    region.set(rest.subarray(0, count));
    reading.reader.advance(count);
    reading.feed(rest.subarray(count));
    expect(reading.frames).toEqual(ONE_STREAM_FRAMES);
  });

  test.each([
    ['nothing of NUT', new TextEncoder().encode('RIFF\0\0\0\0AVI LIST and so on, long enough'), 'no NUT file id'],
    ['an unknown startcode', with_(ONE_STREAM, 26, 0x99), 'unknown startcode'],
    ['a time base that divides by zero', with_(with_(with_(ONE_STREAM, 41, 0x80), 42, 0x80), 43, 0), 'time base'],
    ['a frame of a stream that has no header', with_(ONE_STREAM, 117, 1), 'unknown stream'],
  ])('refuses %s', (_, file, message) => {
    const reading = new Reading();
    expect(() => reading.feed(file)).toThrow(AppError);
    expect(() => new Reading().feed(file)).toThrow(message);
  });

  it('never hangs nor throws anything but an AppError, whatever a byte is changed to', () => {
    fc.assert(
      fc.property(fc.nat(TWO_STREAMS.length - 1), fc.nat(255), fc.nat(TWO_STREAMS.length), (at, value, split) => {
        const file = with_(TWO_STREAMS, at, value);
        const reading = new Reading();
        try {
          reading.feed(file.subarray(0, split));
          reading.feed(file.subarray(split));
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
        }
      }),
      { numRuns: 3000 },
    );
  });
});

test.each([
  ['zero', 0, { numerator: 1, denominator: 25 }, 0],
  ['a frame at 25 a second', 1, { numerator: 1, denominator: 25 }, 40_000],
  ['a third, rounded', 1, { numerator: 1, denominator: 3 }, 333_333],
  ['two thirds, rounded', 2, { numerator: 1, denominator: 3 }, 666_667],
  ['29.97 frames a second', 30, { numerator: 1001, denominator: 30_000 }, 1_001_000],
  ['a year at 90 kHz, exact', 90_000 * 86_400 * 365 + 1, { numerator: 1, denominator: 90_000 }, 86_400e6 * 365 + 11],
  ['nanoseconds since 1970', 1_760_000_000_123_456_000, { numerator: 1, denominator: 1_000_000_000 }, 1_760_000_000_123_456],
])('ticksToUs: %s', (_, ticks, timeBase, us) => {
  expect(ticksToUs(ticks, timeBase)).toBe(us);
});

/** A reader and what came out of it, fed as a socket feeds it: never more at once than the region that the reader offers. */
class Reading {
  readonly reader: NutReader;
  readonly frames: (NutFrame & { pixels: number[] })[] = [];
  streams: readonly NutStream[] = [];
  #payload: Uint8Array | undefined;

  constructor(room: (frame: NutFrame) => Uint8Array | undefined = ({ payloadBytes }) => new Uint8Array(Math.min(payloadBytes, 1024))) {
    this.reader = new NutReader({
      streams: (streams) => (this.streams = streams),
      frameStarts: (frame) => {
        if (frame.payloadBytes > 1024) throw new AppError('ERR_FFMPEG_FAILED', 'an absurd size'); // as the caller does, who knows the size
        return (this.#payload = room(frame));
      },
      frameEnds: (frame) => this.frames.push({ ...frame, pixels: [...this.#payload!] }),
    });
  }

  /** Returns what is left where the reader blocked. No read gives more than `readBytes`. */
  feed(chunk: Uint8Array, readBytes = Infinity): Uint8Array {
    let rest = chunk;
    while (rest.length > 0) {
      const region = this.reader.region();
      const count = Math.min(region.length, rest.length, readBytes);
      region.set(rest.subarray(0, count));
      rest = rest.subarray(count);
      if (!this.reader.advance(count)) break;
    }
    return rest;
  }
}

function bytes(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replace(/\s/g, ''), 'hex'));
}

function with_(file: Uint8Array, at: number, value: number): Uint8Array {
  const changed = file.slice();
  changed[at] = value;
  return changed;
}
