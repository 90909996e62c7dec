import type { Detections } from '../core/detections.js';
import { NO_DETECTIONS } from '../core/detections.js';
import type { AppError } from '../core/errors.js';
import type { CaptureTime, Frame } from '../core/frame.js';
import type { BoxOrigin, GuardReport, PatchFinding } from '../core/guard-report.js';
import type { BoxDepth, ExtentM, MissingOccupancy, OccupancyReport, UnboxedVolume } from '../core/occupancy-report.js';
import type { OccupancyUpdate, SectorDistances } from '../core/occupancy-update.js';
import type { RedundancyReport } from '../core/redundancy-report.js';
import type { OperatingPointMove } from '../core/operating-point.js';
import type { DeliveredFrame, StageTiming } from '../core/result.js';
import type { SourceEvent } from '../core/source.js';
import type { GuardStats, OccupancyStats, RedundancyStats, StereoView, StreamView, TimeSummary } from '../core/stream-view.js';
import type { FrameTracks } from '../core/tracks.js';
import { MAX_PATCHES, MAX_SUPPRESSED, MAX_VOLUMES } from './messages.js';
import type {
  DetectionMessage,
  ErrorMessage,
  EventMessage,
  FrameField,
  FrameMessage,
  GuardStatsMessage,
  NearestObstaclesMessage,
  OccupancyMessage,
  OperatingPointMessage,
  PartialFrameMessage,
  PatchMessage,
  StageTimingMessage,
  StatsMessage,
  StereoViewMessage,
  StreamInfo,
  TimeSummaryMessage,
  VolumeMessage,
} from './messages.js';

/** A delivered frame as it goes over the wire: boxes to 0.01 px, scores to 4 decimals, times to the microsecond, distances to the millimetre. Keeps nothing of the frame. */
export function toFrameMessage(delivered: DeliveredFrame): FrameMessage {
  const { frame, detections, guard, redundancy, tracks, operatingPoint, occupancy } = delivered.result;
  return {
    type: 'frame',
    stream: delivered.stream,
    seq: frame.sequence,
    image: { width: frame.sourceSize.width, height: frame.sourceSize.height, ...(frame.image ? { id: frame.image.id, file: frame.image.fileName } : {}) },
    time: toFrameTime(frame, delivered.emittedEpochMs),
    detections: toDetectionMessages(detections ?? NO_DETECTIONS, delivered.labels, { origins: guard?.origins, tracks, depths: occupancy && boxesOf(occupancy) }),
    timings: delivered.timings.map(toStageTimingMessage),
    end_to_end_ms: round3(delivered.endToEndMs),
    dropped_since_last: { ...delivered.droppedSinceLast },
    ...(guard ? toGuardParts(guard, delivered.labels) : {}),
    ...(operatingPoint ? { operating_point: { ...operatingPoint } } : {}),
    ...(redundancy ? { redundancy: toRedundancyPart(redundancy) } : {}),
    ...(occupancy ? toOccupancyParts(occupancy) : {}),
  };
}

/** The parts of a frame that a subscriber asked for, as far as this stream has them. */
export function pickFields<F extends FrameField>(message: FrameMessage, fields: Iterable<F>): PartialFrameMessage<F> {
  const parts: [string, unknown][] = [['type', message.type], ['stream', message.stream], ['seq', message.seq]];
  for (const field of fields) if (message[field] !== undefined) parts.push([field, message[field]]);
  return Object.fromEntries(parts) as PartialFrameMessage<F>;
}

export function toEventMessage(stream: string, event: SourceEvent): EventMessage {
  const message: EventMessage = { type: 'event', stream, time: toRfc3339(event.epochMs), state: event.state, message: event.message };
  if (event.code !== undefined) message.code = event.code;
  if (event.attempt !== undefined) message.attempt = event.attempt;
  if (event.retryInMs !== undefined) message.retry_in_ms = round3(event.retryInMs);
  return message;
}

export function toOperatingPointMessage(stream: string, { epochMs, from, to, reason, message }: OperatingPointMove): OperatingPointMessage {
  return { type: 'operating_point', stream, time: toRfc3339(epochMs), from: { ...from }, to: { ...to }, reason, message };
}

/**
 * Occupied space as it goes over the wire; the update's bytes as they are, not copied. Distances to the millimetre.
 *
 * @param since of a delta: the update of its epoch that it follows on; the one before it where absent.
 */
export function toOccupancyMessage(stream: string, frame: Pick<Frame, 'sequence' | 'ptsUs'>, update: OccupancyUpdate, nearest?: SectorDistances, since = update.update - 1): OccupancyMessage<Uint8Array> {
  const { kind, epoch, grid, tree, cleared } = update;
  return {
    type: 'occupancy',
    stream,
    seq: frame.sequence,
    pts_us: Math.round(frame.ptsUs),
    kind,
    epoch,
    update: update.update,
    ...(kind === 'delta' && { since }),
    level: tree.level,
    grid: { range_m: grid.rangeM, bottom_m: grid.bottomM },
    changed: tree.blocks,
    ...(cleared && { cleared }),
    subtrees: tree.subtrees,
    ...(tree.confidence && { confidence: tree.confidence }),
    ...(nearest && { nearest: toNearestPart(nearest) }),
  };
}

export function toStatsMessage(view: StreamView, epochMs: number): StatsMessage {
  const stats = view.stats();
  const message: StatsMessage = {
    type: 'stats',
    stream: view.name,
    time: toRfc3339(epochMs),
    fps: round3(stats.fps),
    received: stats.received,
    delivered: stats.delivered,
    dropped: stats.dropped.map(({ stage, reason, count }) => ({ stage, reason, count })),
    reconnects: view.reconnects(),
    end_to_end: toTimeSummaryMessage(stats.endToEnd),
    stages: stats.stages.map((stage) => ({
      stage: stage.stage,
      queue: toTimeSummaryMessage(stage.queue),
      service: toTimeSummaryMessage(stage.service),
      in_flight: stage.inFlight,
    })),
    event_loop_delay: toTimeSummaryMessage(stats.eventLoopDelay),
  };
  if (stats.guard) message.guard = toGuardStatsMessage(stats.guard);
  if (stats.redundancy) message.redundancy = toRedundancyStatsMessage(stats.redundancy);
  if (stats.tracks) message.tracks = { now: stats.tracks.now, confirmed: stats.tracks.confirmed, ids_given: stats.tracks.idsGiven };
  if (stats.occupancy) message.occupancy = toOccupancyStatsMessage(stats.occupancy);
  if (stats.governor) message.governor = { point: { ...stats.governor.point }, moves: stats.governor.moves.map((entry) => ({ ...entry })) };
  return message;
}

export function toStreamInfo(view: StreamView): StreamInfo {
  const stereo = view.stereo?.();
  return {
    name: view.name,
    source_kind: view.sourceKind,
    location: view.location,
    model: view.model,
    labels: [...view.labels],
    state: view.lastEvent()?.state ?? 'connecting',
    ...(stereo && { occupancy: toStereoViewMessage(stereo) }),
  };
}

export function toErrorMessage(error: AppError, id?: string): ErrorMessage {
  const message: ErrorMessage = { type: 'error', code: error.code, message: error.message };
  if (id !== undefined) message.id = id;
  if (error.fix !== undefined) message.fix = error.fix;
  return message;
}

/** RFC 3339 in UTC, to the millisecond. */
export function toRfc3339(epochMs: number): string {
  return new Date(epochMs).toISOString();
}

function toFrameTime(frame: Frame, emittedEpochMs: number): FrameMessage['time'] {
  const { epochMs, clock, uncertaintyMs }: CaptureTime = frame.capture;
  return {
    capture: epochMs === undefined ? null : toRfc3339(epochMs),
    capture_clock: clock,
    uncertainty_ms: uncertaintyMs === undefined ? null : round3(uncertaintyMs),
    pts_us: Math.round(frame.ptsUs),
    emitted: toRfc3339(emittedEpochMs),
  };
}

function toGuardParts({ state, reason, patches, suppressed, extraPasses }: GuardReport, labels: readonly string[]): Pick<FrameMessage, 'patches' | 'suppressed' | 'guard'> {
  const taken = new Array<'suppressed'>(suppressed.count).fill('suppressed');
  return {
    patches: [...patches].sort(byWeight).slice(0, MAX_PATCHES).map(toPatchMessage),
    suppressed: toDetectionMessages(suppressed, labels, { origins: taken }).slice(0, MAX_SUPPRESSED),
    guard: { state, ...(reason === undefined ? {} : { reason }), extra_passes: extraPasses },
  };
}

/** Empty until the rig is known. */
function toStereoViewMessage({ rig, grid }: StereoView): StereoViewMessage {
  const { size, focalPx, centre, centreShiftPx, baselineM } = rig;
  return {
    rig: { width: size.width, height: size.height, focal_px: round3(focalPx), focal_y_px: round3(focalPx), centre: [round3(centre.x), round3(centre.y)], centre_shift_px: round3(centreShiftPx), baseline_m: baselineM },
    grid: { range_m: grid.rangeM, bottom_m: grid.bottomM },
  };
}

function toOccupancyParts(occupancy: OccupancyReport | MissingOccupancy): Pick<FrameMessage, 'occupancy' | 'volumes'> {
  if ('code' in occupancy) return { occupancy: { code: occupancy.code, message: occupancy.message } };
  const { level, computedShare, nearest, volumes } = occupancy;
  return {
    occupancy: { level, computed_share: round4(computedShare), nearest: toNearestPart(nearest) },
    ...(volumes && { volumes: volumes.slice(0, MAX_VOLUMES).map(toVolumeMessage) }),
  };
}

function toVolumeMessage({ xyxy, distanceM, extentM, cells }: UnboxedVolume): VolumeMessage {
  return { bbox: toBbox(xyxy, 0), distance_m: round3(distanceM), extent_m: toExtent(extentM), cells };
}

function boxesOf(occupancy: OccupancyReport | MissingOccupancy): readonly BoxDepth[] | undefined {
  return 'code' in occupancy ? undefined : occupancy.boxes;
}

function toDepthParts(depth: BoxDepth | undefined): Pick<DetectionMessage, 'distance_m' | 'extent_m' | 'has_volume'> {
  if (depth === undefined) return {};
  const { distanceM, extentM, hasVolume } = depth;
  return { ...(distanceM !== undefined && { distance_m: round3(distanceM) }), ...(extentM && { extent_m: toExtent(extentM) }), has_volume: hasVolume };
}

function toExtent([width, height, depth]: ExtentM): [number, number, number] {
  return [round3(width), round3(height), round3(depth)];
}

function toNearestPart({ fromDeg, toDeg, distanceM }: SectorDistances): NearestObstaclesMessage {
  return { from_deg: fromDeg, to_deg: toDeg, distance_m: Array.from(distanceM, (metres) => (Number.isFinite(metres) ? round3(metres) : null)) };
}

function toRedundancyPart({ action, reason, ageFrames, inferredShare }: RedundancyReport): NonNullable<FrameMessage['redundancy']> {
  return { action, reason, age_frames: ageFrames, inferred_share: round4(inferredShare) };
}

function toRedundancyStatsMessage({ frames, avoidedInferences, avoidedWorkShare }: RedundancyStats): NonNullable<StatsMessage['redundancy']> {
  return { frames: frames.map((entry) => ({ ...entry })), avoided_inferences: avoidedInferences, avoided_work_share: round4(avoidedWorkShare) };
}

function toOccupancyStatsMessage({ pairs, computedShare, levels, missing }: OccupancyStats): NonNullable<StatsMessage['occupancy']> {
  return { pairs, computed_share: round4(computedShare), levels: levels.map((entry) => ({ ...entry })), missing: missing.map((entry) => ({ ...entry })) };
}

/** Adversarial ones first, then by falling score. */
function byWeight(a: PatchFinding, b: PatchFinding): number {
  return Number(b.verdict === 'adversarial') - Number(a.verdict === 'adversarial') || b.score - a.score;
}

function toPatchMessage({ trackId, xyxy, score, verdict, action, effect }: PatchFinding): PatchMessage {
  const message: PatchMessage = { bbox: toBbox(xyxy, 0), score: round4(score), verdict, action };
  if (trackId !== undefined) message.id = trackId;
  if (effect !== undefined) message.effect = effect;
  return message;
}

function toGuardStatsMessage({ frames, patches, extraPasses, recovered, suppressed }: GuardStats): GuardStatsMessage {
  return {
    frames: frames.map((entry) => ({ ...entry })),
    patches: patches.map((entry) => ({ ...entry })),
    extra_passes: extraPasses,
    recovered,
    suppressed,
  };
}

/** What is known of detections besides, entry by entry. */
interface AboutDetections {
  readonly origins?: readonly BoxOrigin[] | undefined;
  readonly tracks?: FrameTracks | undefined;
  readonly depths?: readonly BoxDepth[] | undefined;
}

function toDetectionMessages({ count, xyxy, confidence, classId }: Detections, labels: readonly string[], { origins, tracks, depths }: AboutDetections): DetectionMessage[] {
  const messages: DetectionMessage[] = [];
  for (let i = 0; i < count; i++) {
    const origin = origins?.[i];
    messages.push({
      id: i,
      ...toTrackParts(tracks, i),
      category_id: classId[i]!,
      label: labels[classId[i]!] ?? `class ${classId[i]!}`,
      score: round4(confidence[i]!),
      bbox: toBbox(xyxy, 4 * i),
      ...(origin === undefined ? {} : { guard: origin }),
      ...toDepthParts(depths?.[i]),
    });
  }
  return messages;
}

function toTrackParts(tracks: FrameTracks | undefined, index: number): Pick<DetectionMessage, 'track_id' | 'track_state' | 'coasted'> {
  const trackId = tracks?.ids[index] ?? 0;
  if (trackId === 0) return {};
  return { track_id: trackId, track_state: tracks?.isConfirmed[index] === 1 ? 'confirmed' : 'tentative', ...(tracks?.isCoasted[index] === 1 ? { coasted: true } : {}) };
}

/** `[x, y, width, height]` of the corners from `at` on. */
function toBbox(xyxy: ArrayLike<number>, at: number): [number, number, number, number] {
  const left = xyxy[at]!;
  const top = xyxy[at + 1]!;
  return [round2(left), round2(top), round2(xyxy[at + 2]! - left), round2(xyxy[at + 3]! - top)];
}

function toStageTimingMessage(timing: StageTiming): StageTimingMessage {
  const message: StageTimingMessage = {
    stage: timing.stage,
    queue_ms: round3(timing.startedMs - timing.queuedMs),
    service_ms: round3(timing.endedMs - timing.startedMs),
    event_loop_delay_ms: round3(timing.eventLoopDelayMs),
    gc_ms: round3(timing.gcMs),
  };
  if (timing.worker !== undefined) message.worker = timing.worker;
  if (timing.boxesBeforeNms !== undefined) message.boxes_before_nms = timing.boxesBeforeNms;
  return message;
}

/** JSON has no infinity and no NaN: a distribution of nothing has null where it has no value. */
function toTimeSummaryMessage(summary: TimeSummary): TimeSummaryMessage {
  const time = (value: number | undefined): number | null => (value !== undefined && summary.n > 0 && Number.isFinite(value) ? round3(value) : null);
  return {
    n: summary.n,
    mean_ms: time(summary.meanMs),
    variance_ms2: time(summary.varianceMs2),
    cv: time(summary.cv),
    min_ms: time(summary.minMs),
    max_ms: time(summary.maxMs),
    p50_ms: time(summary.p50Ms),
    p90_ms: time(summary.p90Ms),
    p95_ms: time(summary.p95Ms),
    p99_ms: time(summary.p99Ms),
    p999_ms: time(summary.p999Ms),
  };
}

function round2(value: number): number {
  return Math.round(value * 1e2) / 1e2;
}

function round4(value: number): number {
  return Math.round(value * 1e4) / 1e4;
}

function round3(value: number): number {
  return Math.round(value * 1e3) / 1e3;
}
