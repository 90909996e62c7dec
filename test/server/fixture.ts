import pino from 'pino';
import { FramePool } from '../../src/core/frame-pool.js';
import { Frame, frameBytes, type CaptureTime, type FrameFormat, type Size } from '../../src/core/frame.js';
import { fitImage } from '../../src/core/image-fit.js';
import type { GuardReport } from '../../src/core/guard-report.js';
import type { MissingOccupancy, OccupancyReport } from '../../src/core/occupancy-report.js';
import type { OperatingPointReport } from '../../src/core/operating-point.js';
import type { RedundancyReport } from '../../src/core/redundancy-report.js';
import type { DeliveredFrame, StageTiming } from '../../src/core/result.js';
import type { SourceEvent } from '../../src/core/source.js';
import type { GuardStats, OccupancyStats, RedundancyStats, StreamStats, StreamView, TimeSummary } from '../../src/core/stream-view.js';
import type { FrameTracks } from '../../src/core/tracks.js';
import { startServer, type LynceusServer, type ServerOptions } from '../../src/server/server.js';

/** What a running stream would show and deliver, with the numbers chosen here. */

export const LABELS = ['person', 'bicycle', 'car', 'dog'] as const;
export const FORMAT: FrameFormat = { size: { width: 64, height: 64 }, fit: 'letterbox', padValue: 114 };
export const SOURCE_SIZE: Size = { width: 768, height: 576 };

export function summary(n: number, meanMs: number): TimeSummary {
  const percentile = (floor: number, factor: number): number | undefined => (n >= floor ? meanMs * factor : undefined);
  return {
    n,
    meanMs: n > 0 ? meanMs : Number.NaN,
    varianceMs2: n > 1 ? 1.21 : Number.NaN,
    cv: n > 1 ? 1.1 / meanMs : Number.NaN,
    minMs: n > 0 ? meanMs / 2 : Infinity,
    maxMs: n > 0 ? meanMs * 3 : -Infinity,
    p50Ms: percentile(2, 0.97),
    p90Ms: percentile(64, 1.4),
    p95Ms: percentile(64, 1.7),
    p99Ms: percentile(662, 2.2),
    p999Ms: percentile(4603, 2.9),
  };
}

const NO_TRACE: ServerOptions['trace'] = async function* () {
  await Promise.resolve();
  yield '{"traceEvents":[]}';
};

export interface FakeStream extends StreamView {
  event: SourceEvent | undefined;
  delivered: number;
  drops: StreamStats['dropped'];
  /** Where the stream has a guard. */
  guard: GuardStats | undefined;
  /** Where it has a redundancy gate. */
  redundancy: RedundancyStats | undefined;
  /** Where it tells occupied space. */
  occupancy: OccupancyStats | undefined;
  readonly buffers: FramePool;
}

export function fakeStream(name: string, overrides: Partial<Pick<FakeStream, 'location' | 'labels' | 'stereo'>> = {}, capacity = 8, format: FrameFormat = FORMAT): FakeStream {
  const stream: FakeStream = {
    name,
    sourceKind: 'rtsp',
    location: `rtsp://camera.example/${name}`,
    model: 'yolo-fastest-1.1-xl',
    labels: LABELS,
    buffers: new FramePool(capacity, frameBytes(format)),
    pool: () => stream.buffers,
    event: { epochMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678), state: 'running', message: 'frames come' },
    delivered: 0,
    drops: [],
    guard: undefined,
    redundancy: undefined,
    occupancy: undefined,
    lastEvent: () => stream.event,
    reconnects: () => 2,
    reconnectReasons: () => [{ reason: 'ERR_SOURCE_TIMEOUT', count: 2 }],
    stats: () => ({
      stream: name,
      fps: 24.9876,
      meanFps: 24.5,
      received: stream.delivered + stream.drops.reduce((sum, { count }) => sum + count, 0),
      delivered: stream.delivered,
      dropped: stream.drops,
      endToEnd: summary(stream.delivered, 14),
      stages: [{ stage: 'detect', queue: summary(stream.delivered, 0.4), service: summary(stream.delivered, 9), inFlight: 1 }],
      eventLoopDelay: summary(stream.delivered, 0.2),
      ...(stream.guard ? { guard: stream.guard } : {}),
      ...(stream.redundancy ? { redundancy: stream.redundancy } : {}),
      ...(stream.occupancy ? { occupancy: stream.occupancy } : {}),
    }),
    describe: () => ({
      stream: name,
      nodes: [{ id: 'source', kind: 'rtsp', detail: `rtsp://camera.example/${name}` }, { id: 'detect', kind: 'detector.yolo', detail: 'yolo "xl" 320x320' }],
      edges: [{ from: 'source', to: 'detect', overflow: 'latest', capacity: 1 }],
    }),
    ...overrides,
  };
  return stream;
}

export interface FakeFrameOptions {
  /** Of a dataset: which picture it is. */
  readonly image?: Frame['image'];
  readonly detections?: number;
  readonly dropped?: Record<string, number>;
  readonly capture?: CaptureTime;
  readonly sourceSize?: Size;
  readonly format?: FrameFormat;
  readonly guard?: GuardReport;
  readonly tracks?: FrameTracks;
  readonly redundancy?: RedundancyReport;
  readonly operatingPoint?: OperatingPointReport;
  readonly occupancy?: OccupancyReport | MissingOccupancy;
  /** Left, top, right, bottom of each detection; made up where absent. */
  readonly xyxy?: Float32Array;
}

/** A patch on the first of two objects, which came back, and a box of a patch that was taken out. */
export function fakeGuardReport(overrides: Partial<GuardReport> = {}): GuardReport {
  return {
    state: 'guarded',
    patches: [
      { xyxy: [300, 300, 380.126, 360], score: 0.25, verdict: 'benign', action: 'none' },
      { trackId: 3, xyxy: [40, 30, 80, 70], score: 0.87654, verdict: 'adversarial', action: 'filled', effect: 'hiding' },
    ],
    origins: ['recovered', 'untouched'],
    suppressed: { count: 1, xyxy: Float32Array.of(500, 100, 620, 300), confidence: Float32Array.of(0.75), classId: Int32Array.of(0), boxesBeforeNms: 1 },
    extraPasses: 1,
    ...overrides,
  };
}

export function fakeFrame(stream: FakeStream, sequence: number, options: FakeFrameOptions = {}): Frame {
  const sourceSize = options.sourceSize ?? SOURCE_SIZE;
  const format = options.format ?? FORMAT;
  const buffer = stream.buffers.acquire();
  if (buffer === undefined) throw new Error('the pool is empty: a frame was not released');
  buffer.bytes.fill(128);
  return new Frame(
    {
      source: stream.name,
      sequence,
      ptsUs: sequence * 40_000,
      capture: options.capture ?? { epochMs: Date.UTC(2026, 0, 2, 3, 4, 5, 600) + sequence * 40, clock: 'rtcp_sr', uncertaintyMs: 4.56789 },
      firstByteMs: 1000,
      arrivedMs: 1001,
      sourceSize,
      format,
      fit: fitImage(sourceSize, format.size, format.fit),
      ...(options.image && { image: options.image }),
    },
    buffer,
  );
}

export function fakeDelivered(stream: FakeStream, frame: Frame, options: FakeFrameOptions = {}): DeliveredFrame {
  const count = options.detections ?? 2;
  return {
    stream: stream.name,
    labels: stream.labels,
    result: {
      frame,
      detections: {
        count,
        xyxy: options.xyxy ?? Float32Array.from({ length: 4 * count }, (_, i) => 10 * Math.floor(i / 4) + (i % 4 < 2 ? 1.2345 : 101.2345)),
        confidence: Float32Array.from({ length: count }, (_, i) => 0.9 - 0.01 * i),
        classId: Int32Array.from({ length: count }, (_, i) => i % stream.labels.length),
        boxesBeforeNms: 3 * count,
      },
      ...(options.guard ? { guard: options.guard } : {}),
      ...(options.tracks ? { tracks: options.tracks } : {}),
      ...(options.redundancy ? { redundancy: options.redundancy } : {}),
      ...(options.operatingPoint ? { operatingPoint: options.operatingPoint } : {}),
      ...(options.occupancy ? { occupancy: options.occupancy } : {}),
    },
    timings: [timing('source', 0, 0, 1), timing('detect', 1, 1.5, 10.5)],
    endToEndMs: 10.5,
    emittedEpochMs: Date.UTC(2026, 0, 2, 3, 4, 5, 700) + frame.sequence * 40,
    droppedSinceLast: options.dropped ?? {},
  };
}

/** Delivers one frame as a graph would: lends it, then releases it. */
export function deliver(server: Pick<LynceusServer, 'sink'>, stream: FakeStream, sequence: number, options: FakeFrameOptions = {}): void {
  const frame = fakeFrame(stream, sequence, options);
  void server.sink.deliver(fakeDelivered(stream, frame, options));
  stream.delivered += 1;
  frame.release();
}

export function startTestServer(streams: readonly FakeStream[], options: Partial<ServerOptions> = {}): Promise<LynceusServer> {
  return startServer({ port: 0, version: '0.0.0-test', logger: pino({ level: 'silent' }), streams: () => streams, ready: () => ({ ready: true, reasons: [] }), trace: NO_TRACE, ...options });
}

function timing(stage: string, queuedMs: number, startedMs: number, endedMs: number): StageTiming {
  return { stage, queuedMs, startedMs, endedMs, eventLoopDelayMs: 0.1234567, gcMs: 0, parts: [], ...(stage === 'detect' ? { worker: 'yolo-0', boxesBeforeNms: 37 } : {}) };
}
