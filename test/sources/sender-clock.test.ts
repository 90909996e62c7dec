import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { frameBytes } from '../../src/core/frame.js';
import { FramePool } from '../../src/core/frame-pool.js';
import { ffmpegFrames } from '../../src/sources/ffmpeg-frames.js';
import { findFfmpeg } from '../../src/sources/ffmpeg.js';
import { knowsSenderTime } from '../../src/sources/ffmpeg-arguments.js';
import { PrftReader, type ReferenceTime } from '../../src/sources/prft-reader.js';
import { SenderClock } from '../../src/sources/sender-clock.js';
import { readFrameCounter, startRtspServer } from '../fixtures/rtsp/rtsp-server.js';
import { createNetworkSource } from '../../src/sources/network-source.js';
import { formatOf } from './decoding.js';

const NOON = Date.UTC(2025, 5, 1, 12);

describe('PrftReader', () => {
  const movie = (entry: string): Buffer => box('moov', box('mvhd', Buffer.alloc(100)), box('trak', box('mdhd', mediaHeader(90_000)), box('stsd', box(entry, Buffer.alloc(78)))));
  const fragment = (epochMs: number, ticks: number): Buffer => Buffer.concat([prft(epochMs, ticks), box('moof', Buffer.alloc(90)), box('mdat', Buffer.alloc(3000, 0x70))]);
  const file = (entry: string): Buffer =>
    Buffer.concat([box('ftyp', Buffer.from('isom')), movie(entry), ...[0, 1, 2, 3].map((i) => fragment(NOON + i * 40, i * 3600)), box('mfra', Buffer.alloc(60))]);

  it('pairs a time with the frame after it, where a parser cut the frames', () => {
    expect(read([file('avc1')])).toEqual([
      { mediaUs: 40_000, epochMs: NOON, boxEpochMs: NOON + 40 },
      { mediaUs: 80_000, epochMs: NOON + 40, boxEpochMs: NOON + 80 },
      { mediaUs: 120_000, epochMs: NOON + 80, boxEpochMs: NOON + 120 },
    ]);
  });

  it('pairs it with its own frame, where packets are frames', () => {
    expect(read([file('vp09')]).map(({ mediaUs, epochMs }) => [mediaUs, epochMs - NOON])).toEqual([
      [40_000, 40],
      [80_000, 80],
      [120_000, 120],
    ]);
  });

  it('reads the same wherever the bytes are split', () => {
    const bytes = file('avc1');
    const whole = read([bytes]);
    for (let split = 0; split <= bytes.length; split += 1) expect(read([bytes.subarray(0, split), bytes.subarray(split)])).toEqual(whole);
    expect(read([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(whole);
  });

  it('skips boxes with a size of 64 bits, and stops at one that has no end', () => {
    const large = Buffer.alloc(16 + 40);
    large.writeUInt32BE(1, 0);
    large.write('mdat', 4, 'latin1');
    large.writeBigUInt64BE(56n, 8);
    const endless = Buffer.from('\0\0\0\0mdat', 'latin1');
    const bytes = Buffer.concat([movie('vp09'), fragment(NOON, 0), large, fragment(NOON + 40, 3600), endless, fragment(NOON + 80, 7200)]);
    expect(read([bytes])).toHaveLength(1);
    expect(read([...bytes].map((byte) => Uint8Array.of(byte)))).toHaveLength(1);
  });

  it('never throws nor hangs, whatever comes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(400), (bytes, split) => void read([bytes.subarray(0, split), bytes.subarray(split)])));
    const bytes = file('avc1');
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), (at, value) => {
        const changed = Buffer.from(bytes);
        changed[at] = value;
        read([changed]);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('SenderClock', () => {
  /** Feeds frames at 25 a second; what is captured of the last one when it came 60 ms after its capture. */
  function after(frames: number, reference: (frame: number) => Partial<ReferenceTime>, lagMs = 45): ReturnType<SenderClock['captureOf']> {
    const clock = new SenderClock();
    for (let i = 0; i < frames; i += 1) {
      const time = { mediaUs: i * 40_000, epochMs: NOON + i * 40, boxEpochMs: NOON + i * 40, ...reference(i) };
      clock.observe(time, time.boxEpochMs + lagMs);
    }
    return clock.captureOf(frames * 40_000, NOON + frames * 40 + 60);
  }

  test.each<[string, ReturnType<SenderClock['captureOf']> | undefined, number | undefined]>([
    ['believes a sender that is consistent', after(20, () => ({})), 0],
    ['wants sixteen frames first', after(15, () => ({})), undefined],
    ['takes a rounding to whole milliseconds for no contradiction', after(20, (i) => ({ epochMs: NOON + i * 40 + (i % 2) })), 1],
    ['does not take the time at which ffmpeg wrote for a sender’s', after(20, () => ({}), 2), undefined],
    ['does not believe jittered times', after(20, (i) => ({ epochMs: NOON + i * 40 + (i % 5) })), undefined],
    ['does not believe a clock that is an hour off', after(20, (i) => ({ epochMs: NOON + 3_600_000 + i * 40 })), undefined],
    ['does not believe a capture in the future', after(20, (i) => ({ epochMs: NOON + 200 + i * 40 })), undefined],
    ['does not believe one that was never set', after(20, (i) => ({ epochMs: i * 40 })), undefined],
    ['stays with what it had while the sender corrects its clock', after(40, (i) => ({ epochMs: NOON + i * 40 - (i < 30 ? 0 : 7) })), 0],
    ['follows the correction then', after(60, (i) => ({ epochMs: NOON + i * 40 - (i < 30 ? 0 : 7) })), -7],
  ])('%s', (_, capture, errorMs) => {
    expect(capture?.clock).toBe(errorMs === undefined ? undefined : 'rtcp_sr');
    if (errorMs !== undefined) expect(capture!.epochMs! % 40).toBeCloseTo((40 + errorMs) % 40, 6);
  });
});

describe('a camera', () => {
  const canTell = knowsSenderTime(findFfmpeg());

  test.runIf(canTell).each([
    ['that tells its time: capture is exact', 0, 'rtcp_sr', 0],
    ['whose clock is 300 ms slow: that is what it says', -300, 'rtcp_sr', -300],
  ] as const)('%s', async (_, ntpOffsetMs, clock, errorMs) => {
    const { frame, trueEpochMs } = await firstFrame(ntpOffsetMs, (seen) => seen.clock === clock);
    expect(Math.abs(frame.epochMs! - trueEpochMs - errorMs)).toBeLessThanOrEqual(frame.uncertaintyMs!);
  });

  test.runIf(canTell).each([
    ['that tells no time', undefined],
    ['whose clock is an hour off', 3_600_000],
  ] as const)('%s: arrival has to do', async (_, ntpOffsetMs) => {
    const { frame, trueEpochMs, clocks } = await firstFrame(ntpOffsetMs, (_seen, count) => count >= 60);
    expect([...clocks]).toEqual(['rtp_arrival']);
    expect(Math.abs(frame.epochMs! - trueEpochMs)).toBeLessThan(5000);
  });

  it('says where its codec does not go into MP4, so that it is asked without next time', async () => {
    const format = formatOf(32, 32);
    let failed = false;
    const rawVideo = ffmpegFrames({
      input: 'testsrc2=size=32x32:rate=25:duration=1',
      inputOptions: ['-f', 'lavfi'],
      location: 'raw video',
      format,
      pool: new FramePool(2, frameBytes(format)),
      delivery: 'live',
      onReferenceTime: () => undefined,
      onNoReferenceTime: () => (failed = true),
    });
    await new Promise<void>((done) => rawVideo.subscribe({ next: ({ buffer }) => buffer.free(), error: () => done(), complete: () => done() }));
    expect(failed).toBe(canTell);
  });
});

/** The first frame of a camera that is wanted, and when that frame was really captured. */
async function firstFrame(
  ntpOffsetMs: number | undefined,
  isWanted: (capture: { clock: string }, count: number) => boolean,
): Promise<{ frame: { epochMs: number | undefined; uncertaintyMs: number | undefined }; trueEpochMs: number; clocks: Set<string> }> {
  await using camera = await startRtspServer({ width: 320, height: 240, ntpOffsetMs });
  const format = formatOf(320, 240);
  const { frames$ } = createNetworkSource({ name: 'camera', url: camera.url, format, pool: new FramePool(4, frameBytes(format)) });
  const clocks = new Set<string>();
  let count = 0;
  return await new Promise((resolve) => {
    const subscription = frames$.subscribe((frame) => {
      const { capture } = frame;
      const counter = readFrameCounter(frame.pixels, 320, 240);
      frame.release();
      clocks.add(capture.clock);
      count += 1;
      const sequence = counter === undefined ? undefined : camera.sequenceOf(counter);
      if (sequence === undefined || !isWanted(capture, count)) return;
      subscription.unsubscribe();
      resolve({ frame: capture, trueEpochMs: camera.captureEpochMs(sequence), clocks });
    });
  });
}

function read(chunks: readonly Uint8Array[]): ReferenceTime[] {
  const times: ReferenceTime[] = [];
  const reader = new PrftReader((time) => times.push(time));
  for (const chunk of chunks) reader.push(chunk);
  return times;
}

function box(type: string, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content);
  const header = Buffer.alloc(8);
  header.writeUInt32BE(body.length + 8, 0);
  header.write(type, 4, 'latin1');
  return Buffer.concat([header, body]);
}

function mediaHeader(timescale: number): Buffer {
  const body = Buffer.alloc(24);
  body.writeUInt32BE(timescale, 12);
  return body;
}

function prft(epochMs: number, ticks: number): Buffer {
  const body = Buffer.alloc(24);
  body.writeUInt32BE(0x01000018, 0);
  body.writeUInt32BE(1, 4);
  body.writeUInt32BE(Math.floor(epochMs / 1000) + 2_208_988_800, 8);
  body.writeUInt32BE(Math.round(((epochMs % 1000) * 2 ** 32) / 1000), 12);
  body.writeBigUInt64BE(BigInt(ticks), 16);
  return box('prft', body);
}
