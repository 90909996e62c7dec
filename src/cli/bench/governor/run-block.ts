import type { StreamDefinition } from '../../../config/stream-definition.js';
import { monotonicMs } from '../../../core/clock.js';
import type { OperatingPointMove } from '../../../core/operating-point.js';
import type { DeliveredFrame } from '../../../core/result.js';
import type { Sink } from '../../../core/sink.js';
import type { ModelStore } from '../../../model-store/store.js';
import type { SpeedEmulation } from '../../../study/emulate-speed.js';
import { createLog } from '../../log.js';
import { Pipeline } from '../../pipeline.js';
import { HOLD_STAGE } from '../../stages.js';
import type { BenchFrame, Block } from './figures.js';
import { scheduleLengthMs, speedAt, type SpeedSegment } from './schedule.js';

/** Before the schedule begins: caches, the JIT and the allocator settle, at the speed that it begins with. */
const WARMUP_MS = 3_000;
/** How often the speed is set: a ramp is a staircase of steps that small. */
const TICK_MS = 50;

export interface BlockOptions {
  readonly definition: StreamDefinition;
  readonly pipeline: Block['pipeline'];
  readonly segments: readonly SpeedSegment[];
  readonly emulation: SpeedEmulation;
  readonly store: ModelStore;
  readonly onProgress: (elapsedMs: number) => void;
}

/** Runs one pipeline through the whole schedule. @throws AppError of the pipeline */
export async function runBlock({ definition, pipeline: kind, segments, emulation, store, onProgress }: BlockOptions): Promise<Block> {
  await emulation.set(speedAt(segments, 0));
  const recorder = new BlockRecorder();
  const pipeline = await Pipeline.prepare([definition], { store, log: createLog('warn'), sinksFor: () => [recorder], emulatedSpeed: emulation.speed });
  try {
    await pipeline.start();
    const ended = Promise.race(pipeline.streams.map(({ done }) => done));
    recorder.beginAtMs = monotonicMs() + WARMUP_MS;
    await Promise.race([followSchedule(recorder.beginAtMs, segments, emulation, onProgress), ended]);
    await pipeline.stop();
    const dropped = pipeline.streams[0]!.stats().dropped.reduce((sum, { count }) => sum + count, 0);
    return { pipeline: kind, frames: recorder.frames, moves: recorder.moves, dropped };
  } finally {
    await emulation.set(100);
    await pipeline.close();
  }
}

function followSchedule(beginAtMs: number, segments: readonly SpeedSegment[], emulation: SpeedEmulation, onProgress: (elapsedMs: number) => void): Promise<void> {
  const endMs = scheduleLengthMs(segments);
  return new Promise((resolve, reject) => {
    const timer = setInterval(() => {
      const atMs = monotonicMs() - beginAtMs;
      onProgress(Math.max(0, atMs));
      if (atMs >= endMs) {
        clearInterval(timer);
        resolve();
        return;
      }
      emulation.set(speedAt(segments, Math.max(0, atMs))).catch(reject);
    }, TICK_MS);
  });
}

/** Keeps what the figures are made of. */
class BlockRecorder implements Sink {
  readonly kind = 'bench';
  beginAtMs = Infinity;
  readonly frames: BenchFrame[] = [];
  readonly moves: Block['moves'][number][] = [];

  deliver({ result, endToEndMs, timings }: DeliveredFrame): void {
    const atMs = monotonicMs() - this.beginAtMs;
    const held = timings.find(({ stage }) => stage === HOLD_STAGE);
    const heldMs = held ? held.endedMs - held.startedMs : 0;
    if (atMs >= 0) this.frames.push({ atMs, latencyMs: endToEndMs, readyMs: endToEndMs - heldMs, point: result.operatingPoint?.name });
  }

  moved(_stream: string, { from, to, reason }: OperatingPointMove): void {
    const atMs = monotonicMs() - this.beginAtMs;
    if (atMs >= 0) this.moves.push({ atMs, from: from.name, to: to.name, reason });
  }

  close(): void {
    // Nothing is open.
  }
}
