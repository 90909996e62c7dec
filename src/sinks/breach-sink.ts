import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError, systemErrorCode } from '../core/errors.js';
import type { Logger } from '../core/logger.js';
import type { DeliveredFrame } from '../core/result.js';
import type { Sink } from '../core/sink.js';
import type { FlightRecorder } from '../timing/flight-recorder.js';
import { type FrameSpans, spansOf } from '../timing/frame-spans.js';
import { type LatencyCause, type LatencyCauseKind, nameCause } from '../timing/latency-cause.js';
import type { RuntimeIntervals } from '../timing/runtime-monitor.js';
import { traceDocument } from '../timing/trace-document.js';

export interface BreachOptions {
  /** A frame that takes longer, from its first byte to its results, is a breach. */
  readonly thresholdMs: number;
  /** Where the traces go; made where it isn't there. */
  readonly folder: string;
  readonly recorder: FlightRecorder;
  readonly log: Logger;
  readonly intervals: (fromMs: number, toMs: number) => RuntimeIntervals;
}

/** What a trace shows before and after the late frame. */
const BEFORE_MS = 10_000;
const AFTER_MS = 1_000;
/** One trace tells more than a hundred of the same minute. */
const PAUSE_MS = 30_000;
/** For months without somebody who looks after the folder. */
const MAX_TRACES = 100;
/** Fewer say nothing of what is usual; and the first frames of a stream are late by nature. */
const LEAST_USUAL = 30;

/** Frames that were late, by what made them so. */
export interface BreachCount {
  readonly stream: string;
  /** `usual`: it took no longer than the frames before it, all of which are slow. */
  readonly cause: LatencyCauseKind | 'usual';
  readonly count: number;
}

interface Breach {
  readonly late: FrameSpans;
  readonly atMs: number;
  readonly cause: LatencyCause | undefined;
}

/**
 * Watches one process's streams for late frames: writes what happened around the first one as a Chrome trace, with the cause named, and
 * says so in the log. At most one trace in half a minute and a hundred in all; what comes in between is counted in the next one's log line.
 * All are counted by their cause.
 */
export class BreachSink implements Sink {
  readonly kind = 'breach';
  readonly #options: BreachOptions;
  #pending: Breach | undefined;
  #quietUntilMs = Number.NEGATIVE_INFINITY;
  #written = 0;
  #unwritten = 0;
  readonly #counts = new Map<string, Map<BreachCount['cause'], number>>();
  #writing: Promise<void> = Promise.resolve();

  constructor(options: BreachOptions) {
    this.#options = options;
  }

  /** Traces begun. */
  get written(): number {
    return this.#written;
  }

  /** Since the streams began. */
  get counts(): readonly BreachCount[] {
    return [...this.#counts].flatMap(([stream, causes]) => [...causes].map(([cause, count]) => ({ stream, cause, count })));
  }

  deliver(frame: DeliveredFrame): void {
    const late = spansOf(frame);
    const atMs = late.firstByteMs + late.endToEndMs;
    if (this.#pending && atMs >= this.#pending.atMs + AFTER_MS) this.#write(this.#pending);
    if (late.endToEndMs <= this.#options.thresholdMs) return;
    const usual = this.#options.recorder.since(atMs - BEFORE_MS, late.stream).filter(({ sequence }) => sequence !== late.sequence);
    if (usual.length < LEAST_USUAL) return;
    const cause = nameCause(late, usual);
    this.#count(late.stream, cause?.kind ?? 'usual');
    if (this.#pending || atMs < this.#quietUntilMs || this.#written >= MAX_TRACES) this.#unwritten += 1;
    else this.#pending = { late, atMs, cause };
  }

  /** Writes what is waiting. A trace that can't be written is said in the log. */
  async close(): Promise<void> {
    if (this.#pending) this.#write(this.#pending);
    await this.#writing;
  }

  #count(stream: string, cause: BreachCount['cause']): void {
    const causes = this.#counts.get(stream) ?? new Map<BreachCount['cause'], number>();
    this.#counts.set(stream, causes.set(cause, (causes.get(cause) ?? 0) + 1));
  }

  #write({ late, atMs, cause }: Breach): void {
    const { recorder, intervals, folder, thresholdMs, log } = this.#options;
    const fromMs = atMs - BEFORE_MS;
    const toMs = atMs + AFTER_MS;
    const { stream, sequence, endToEndMs } = late;
    const facts = { stream, seq: sequence, end_to_end_ms: round(endToEndMs), threshold_ms: thresholdMs, ...(cause && { cause: cause.kind, stage: cause.stage, excess_ms: round(cause.excessMs), share: round(cause.share) }) };
    const path = join(folder, `${stream}-${sequence}.trace.json`);
    log.warn({ ...facts, trace: path, since_last: this.#unwritten }, `A frame took ${endToEndMs.toFixed(1)} ms${cause ? `: ${sentence(cause)}` : ''}`);
    this.#pending = undefined;
    this.#quietUntilMs = atMs + PAUSE_MS;
    this.#unwritten = 0;
    this.#written += 1;
    const text = traceDocument(recorder.since(fromMs), intervals(fromMs, toMs), facts);
    this.#writing = save(folder, path, text).catch((cause: unknown) => {
      const { code, message } = outputError(cause, path);
      log.error({ code, trace: path }, message);
    });
  }
}

/** For people: `queue of detect, 82 % of 61.3 ms more than usual`. */
export function sentence({ kind, stage, excessMs, share }: LatencyCause): string {
  return `${WORDS[kind]} (${stage}), ${Math.round(100 * share)} % of ${excessMs.toFixed(1)} ms more than usual`;
}

const WORDS: Readonly<Record<LatencyCause['kind'], string>> = {
  gc: 'garbage collection',
  event_loop: 'a busy main thread',
  content: 'more boxes to suppress',
  queue: 'waiting for its turn',
  source: 'reading and decoding',
  service: 'slow work',
};

async function save(folder: string, path: string, text: AsyncIterable<string>): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFile(path, text);
}

function outputError(cause: unknown, path: string): AppError {
  const code = systemErrorCode(cause) === 'ENOSPC' ? 'ERR_DISK_FULL' : 'ERR_OUTPUT_WRITE';
  return new AppError(code, `${path} can't be written`, { cause, fix: 'Check the folder, its permissions and the space on its disk.' });
}

function round(value: number): number {
  return Math.round(value * 1e3) / 1e3;
}
