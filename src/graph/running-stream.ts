import { type Observable, Subject, map, takeUntil, tap } from 'rxjs';
import { epochMs, monotonicMs } from '../core/clock.js';
import { AppError, toAppError } from '../core/errors.js';
import type { Frame } from '../core/frame.js';
import type { FramePool } from '../core/frame-pool.js';
import type { Logger } from '../core/logger.js';
import type { Governed, OperatingPointMove } from '../core/operating-point.js';
import type { MissingOccupancy, OccupancyReport } from '../core/occupancy-report.js';
import type { Overflow } from '../core/overflow.js';
import type { DeliveredFrame, StageTiming } from '../core/result.js';
import type { Sink } from '../core/sink.js';
import type { Source, SourceEvent } from '../core/source.js';
import type { Stage } from '../core/stage.js';
import type { GraphDescription, StereoView, StreamStats, StreamView } from '../core/stream-view.js';
import type { RuntimeMonitor } from '../timing/runtime-monitor.js';
import { StreamLedger } from '../timing/stream-ledger.js';
import { describeGraph } from './describe.js';
import { LimitedLog } from './limited-log.js';
import { OccupancyWatch } from './occupancy-watch.js';
import { bounded, LOST } from './operators/bounded.js';
import { type Envelope, type RawTiming, runStage } from './stage-runner.js';

export interface PlannedStage {
  readonly id: string;
  readonly stage: Stage;
  readonly overflow: Overflow;
  /** What it works with, where that isn't the stream's model. */
  readonly detail?: string | undefined;
}

/** All that a stream needs to run; made by the composition root from a definition. */
export interface StreamPlan {
  readonly name: string;
  readonly source: Source;
  readonly stages: readonly PlannedStage[];
  readonly sinks: readonly Sink[];
  readonly model: string;
  readonly labels: readonly string[];
  readonly monitor: RuntimeMonitor;
  readonly log: Logger;
  /** Of a stream whose time is governed. */
  readonly governed?: Governed;
  /** Of a stream that tells occupied space. */
  readonly stereo?: StereoView;
  /** What the source's frames are read into. */
  readonly pool?: Pick<FramePool, 'capacity' | 'inUse'>;
}

/** So many frames lost to a stage in a row are no bad frames but a broken stage. */
const MAX_FAILURES_IN_A_ROW = 50;

const SOURCE_STAGE = 'source';
const DELIVER_STAGE = 'deliver';

/**
 * A stream at work: the source's frames through the stages to the sinks, with the ledger kept around the stages.
 *
 *     source ──edge──> stage ──edge──> stage ──> deliver ──> sinks
 */
export class RunningStream implements StreamView {
  /** Resolves when all frames are delivered (or after `stop`); rejects with the `AppError` that ended the stream. Sinks are not closed. */
  readonly done: Promise<void>;
  readonly #plan: StreamPlan;
  readonly #ledger: StreamLedger;
  readonly #limitedLog: LimitedLog;
  readonly #stop$ = new Subject<void>();
  readonly #sourceEvents: { unsubscribe(): void };
  #lastEvent: SourceEvent | undefined;
  readonly #reconnects = new Map<string, number>();
  readonly #occupancyWatch = new OccupancyWatch();
  readonly #failuresInARow = new Map<string, number>();

  constructor(plan: StreamPlan) {
    this.#plan = plan;
    this.#ledger = new StreamLedger([SOURCE_STAGE, ...plan.stages.map(({ id }) => id), DELIVER_STAGE]);
    this.#limitedLog = new LimitedLog(plan.log);
    plan.source.onDropped = (reason, count) => this.#ledger.losses.add(SOURCE_STAGE, reason, count);
    this.#sourceEvents = plan.source.events$.subscribe((event) => this.#onSourceEvent(event));
    if (plan.governed) plan.governed.onMoved = (move) => this.#onMoved(move);
    this.done = this.#run();
  }

  /** Takes no more frames; those in work are delivered. */
  async stop(): Promise<void> {
    this.#stop$.next();
    await this.done.catch(() => undefined);
  }

  #run(): Promise<void> {
    const { source, stages } = this.#plan;
    const opened$ = source.frames$.pipe(
      takeUntil(this.#stop$),
      map((frame) => this.#open(frame)),
    );
    const worked$ = stages.reduce<Observable<Envelope>>((input$, planned) => input$.pipe(this.#edge(planned)), opened$);
    const delivered$ = worked$.pipe(
      bounded((envelope) => this.#deliver(envelope), {
        overflow: 'block',
        concurrency: 1,
        onDropped: (envelope) => envelope.result.frame.release(),
      }),
    );
    return new Promise<void>((resolve, reject) => {
      delivered$.subscribe({
        next: ({ result }) => result.frame.release(),
        complete: resolve,
        error: (error: unknown) => reject(toAppError(error)),
      });
    }).finally(() => this.#sourceEvents.unsubscribe());
  }

  #open(frame: Frame): Envelope {
    this.#ledger.frameReceived();
    const { firstByteMs, arrivedMs } = frame;
    const timing: RawTiming = { stage: SOURCE_STAGE, queuedMs: firstByteMs, startedMs: firstByteMs, endedMs: arrivedMs, worker: undefined, parts: [] };
    return { result: { frame }, timings: [timing], readyMs: arrivedMs };
  }

  #edge({ id, stage, overflow }: PlannedStage) {
    const work = bounded((envelope: Envelope) => this.#work(id, stage, envelope), {
      overflow,
      concurrency: stage.concurrency,
      admission: stage.admission,
      onDropped: (envelope, reason) => {
        this.#ledger.left(id);
        if (reason !== 'stopped') this.#ledger.losses.add(id, reason);
        envelope.result.frame.release();
      },
    });
    return (input$: Observable<Envelope>) =>
      input$.pipe(
        tap(() => this.#ledger.entered(id)),
        work,
        tap(() => this.#ledger.left(id)),
      );
  }

  async #work(id: string, stage: Stage, envelope: Envelope): Promise<Envelope | typeof LOST> {
    const outcome = await runStage<typeof LOST>(id, stage, envelope, (failed, error) => this.#onStageFailed(id, failed, error));
    if (outcome !== LOST) this.#failuresInARow.set(id, 0);
    return outcome;
  }

  #onStageFailed(id: string, { result }: Envelope, error: AppError): typeof LOST {
    const failures = (this.#failuresInARow.get(id) ?? 0) + 1;
    this.#failuresInARow.set(id, failures);
    if (failures >= MAX_FAILURES_IN_A_ROW) {
      throw new AppError('ERR_STAGE_FAILED', `${this.#plan.name}: ${id} failed ${failures} times in a row, last with ${error.code}: ${error.message}`, { cause: error });
    }
    this.#ledger.left(id);
    this.#ledger.losses.add(id, error.code);
    this.#limitedLog.warn(`${id}:${error.code}`, monotonicMs(), { stream: this.#plan.name, stage: id, code: error.code, seq: result.frame.sequence }, error.message);
    result.frame.release();
    return LOST;
  }

  /** The frame is released when the envelope leaves the graph, or where it is dropped. */
  #deliver(envelope: Envelope): Envelope | Promise<Envelope> {
    const { sinks } = this.#plan;
    const delivered = this.#book(envelope);
    // Synchronous where every sink is: no live frame waits for a promise.
    const waits = sinks.map((sink) => deliverTo(sink, delivered)).filter((wait) => wait instanceof Promise);
    return waits.length === 0 ? envelope : allDelivered(waits).then(() => envelope);
  }

  /** Closes the frame's ledger. */
  #book({ result, timings, readyMs }: Envelope): DeliveredFrame {
    const { monitor, name, labels } = this.#plan;
    const startedMs = monotonicMs();
    const booked = timings.map((timing) => withRuntime(timing, monitor));
    // One reading ends the last span and the latency: whatever came between two would be latency that no span has.
    const nowMs = monotonicMs();
    const deliver: RawTiming = { stage: DELIVER_STAGE, queuedMs: readyMs, startedMs, endedMs: nowMs, worker: undefined, parts: [] };
    booked.push(withRuntime(deliver, monitor));
    const endToEndMs = nowMs - result.frame.firstByteMs;
    this.#ledger.frameDelivered(booked, endToEndMs, nowMs);
    if (result.guard) this.#ledger.guard.add(result.guard);
    if (result.redundancy) this.#ledger.redundancy.add(result.redundancy);
    if (result.tracks) this.#ledger.tracks.add(result.tracks);
    if (result.occupancy) this.#onOccupancy(result.occupancy, nowMs);
    return { stream: name, result, labels, timings: booked, endToEndMs, emittedEpochMs: epochMs(), droppedSinceLast: this.#ledger.losses.takeSince() };
  }

  #onMoved(move: OperatingPointMove): void {
    const { name, sinks, log } = this.#plan;
    this.#ledger.moves.add(move);
    const fields = { stream: name, from: move.from.name, to: move.to.name, reason: move.reason };
    if (move.reason === 'floor') log.warn(fields, move.message);
    else log.info(fields, move.message);
    for (const sink of sinks) this.#tellSink(sink, () => sink.moved?.(name, move));
  }

  #onOccupancy(occupancy: OccupancyReport | MissingOccupancy, nowMs: number): void {
    this.#ledger.occupancy.add(occupancy);
    const news = this.#occupancyWatch.see(occupancy, nowMs);
    if (news) this.#tell({ epochMs: epochMs(), state: this.#lastEvent?.state ?? 'running', ...news });
  }

  #onSourceEvent(event: SourceEvent): void {
    this.#lastEvent = event;
    if (event.state === 'reconnecting') this.#countReconnect(event.code ?? 'ended');
    this.#tell(event);
  }

  #tell(event: SourceEvent): void {
    const { name, sinks, log } = this.#plan;
    const fields = { stream: name, state: event.state, ...(event.code ? { code: event.code } : {}), ...(event.retryInMs === undefined ? {} : { retryInMs: Math.round(event.retryInMs) }) };
    if (event.code) log.warn(fields, event.message);
    else log.info(fields, event.message);
    for (const sink of sinks) this.#tellSink(sink, () => sink.event?.(name, event));
  }

  #countReconnect(reason: string): void {
    this.#reconnects.set(reason, (this.#reconnects.get(reason) ?? 0) + 1);
  }

  /** An output that can't take an event shows its failure at the next frame; an event never ends a stream. */
  #tellSink(sink: Sink, tell: () => void): void {
    const { name, log } = this.#plan;
    try {
      tell();
    } catch (error) {
      const { code, message } = toAppError(error);
      log.error({ stream: name, sink: sink.kind, code }, message);
    }
  }

  get name(): string {
    return this.#plan.name;
  }

  get sourceKind(): string {
    return this.#plan.source.kind;
  }

  get location(): string {
    return this.#plan.source.location;
  }

  get model(): string {
    return this.#plan.model;
  }

  get labels(): readonly string[] {
    return this.#plan.labels;
  }

  lastEvent(): SourceEvent | undefined {
    return this.#lastEvent;
  }

  reconnects(): number {
    return this.reconnectReasons().reduce((sum, { count }) => sum + count, 0);
  }

  reconnectReasons(): { reason: string; count: number }[] {
    return [...this.#reconnects].map(([reason, count]) => ({ reason, count }));
  }

  pool(): Pick<FramePool, 'capacity' | 'inUse'> | undefined {
    return this.#plan.pool;
  }

  stereo(): StereoView | undefined {
    return this.#plan.stereo;
  }

  stats(): StreamStats {
    const ledger = this.#ledger;
    const guard = ledger.guard.stats();
    const redundancy = ledger.redundancy.stats();
    const tracks = ledger.tracks.stats();
    const occupancy = ledger.occupancy.stats();
    const { governed } = this.#plan;
    return {
      stream: this.#plan.name,
      fps: ledger.fps(monotonicMs()),
      meanFps: ledger.meanFps(),
      received: ledger.received,
      delivered: ledger.delivered,
      dropped: ledger.losses.total(),
      endToEnd: ledger.endToEnd(),
      stages: ledger.stages(),
      eventLoopDelay: this.#plan.monitor.eventLoopDelay(),
      ...(guard ? { guard } : {}),
      ...(redundancy ? { redundancy } : {}),
      ...(tracks ? { tracks } : {}),
      ...(occupancy ? { occupancy } : {}),
      ...(governed ? { governor: { point: governed.point, moves: ledger.moves.counts() } } : {}),
    };
  }

  describe(): GraphDescription {
    return describeGraph(this.#plan);
  }
}

function deliverTo(sink: Sink, delivered: DeliveredFrame): void | Promise<void> {
  try {
    return sink.deliver(delivered);
  } catch (error) {
    return Promise.reject(toAppError(error));
  }
}

/** Waits for all of them, also after a failure: each still reads the frame. */
async function allDelivered(waits: readonly Promise<void>[]): Promise<void> {
  for (const outcome of await Promise.allSettled(waits)) {
    if (outcome.status === 'rejected') throw outcome.reason;
  }
}

function withRuntime(timing: RawTiming, monitor: RuntimeMonitor): StageTiming {
  const { stage, queuedMs, startedMs, endedMs, worker, boxesBeforeNms, parts } = timing;
  return {
    stage,
    queuedMs,
    startedMs,
    endedMs,
    ...(worker === undefined ? {} : { worker }),
    ...(boxesBeforeNms === undefined ? {} : { boxesBeforeNms }),
    eventLoopDelayMs: monitor.eventLoopDelayMs(queuedMs, endedMs),
    gcMs: monitor.gcMs(queuedMs, endedMs),
    parts,
  };
}
