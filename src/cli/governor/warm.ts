import { monotonicMs } from '../../core/clock.js';
import { Frame, type FrameFormat, frameBytes } from '../../core/frame.js';
import { FramePool } from '../../core/frame-pool.js';
import { fitImage } from '../../core/image-fit.js';
import type { DecodeThresholds } from '../../detector/decoder.js';
import type { DetectorService } from '../../detector/detector-service.js';

/** Frames that a fresh worker is given at most, and how close two times have to be to the quickest for it to be warm. */
const MOST_FRAMES = 12;
const SETTLED = 1.15;

/**
 * Works on noise until the whole way of a frame is warm: not the session alone, also the scaling and decoding of a worker that has just
 * begun, whose first frames would take several times as long.
 */
export async function warm(service: DetectorService, format: FrameFormat, thresholds: DecodeThresholds): Promise<void> {
  const frame = noiseFrame(format);
  try {
    let quickestMs = Infinity;
    for (let i = 0, settled = 0; i < MOST_FRAMES && settled < 2; i += 1) {
      const { response } = await service.detect(frame, thresholds);
      const tookMs = response.endedMs - response.startedMs;
      settled = tookMs <= quickestMs * SETTLED && i > 1 ? settled + 1 : 0;
      quickestMs = Math.min(quickestMs, tookMs);
    }
  } finally {
    frame.release();
  }
}

/** Noise: nothing that a picture of one colour would spare the network. */
export function noiseFrame(format: FrameFormat): Frame {
  const pool = new FramePool(2, frameBytes(format));
  const buffer = pool.acquire()!;
  // Quick, since frames of a stream may be waiting for this thread: the high bits of a multiplicative hash.
  for (let i = 0; i < buffer.bytes.length; i += 1) buffer.bytes[i] = Math.imul(i, 0x9e3779b1) >>> 24;
  const nowMs = monotonicMs();
  const { size, fit } = format;
  const facts = { source: 'noise', sequence: 0, ptsUs: 0, capture: { epochMs: undefined, clock: 'host', uncertaintyMs: undefined }, firstByteMs: nowMs, arrivedMs: nowMs } as const;
  return new Frame({ ...facts, sourceSize: size, format, fit: fitImage(size, size, fit) }, buffer);
}
