import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry, type Metric } from 'prom-client';
import type { DeliveredFrame } from '../core/result.js';
import type { MissingOccupancy, OccupancyReport } from '../core/occupancy-report.js';
import type { SourceState } from '../core/source.js';
import type { FrameTracks } from '../core/tracks.js';
import type { GovernorStats, GuardStats, OccupancyStats, RedundancyStats, StreamStats, StreamView, TrackStats } from '../core/stream-view.js';

/** Upper bounds in seconds: from a pre-processing step to a stalled camera, with the frame times of 60, 30 and 15 fps in between. */
const BUCKETS_S = [0.001, 0.002, 0.005, 0.01, 0.02, 0.033, 0.05, 0.066, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5];

/** Up to what a crowded street gives at a low threshold. */
const BUCKETS_BOXES = [0, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];

/** States in which pictures come. */
const UP: ReadonlySet<SourceState> = new Set(['running', 'ended']);

/** What the WebSocket side counts. */
export interface WsCounters {
  readonly clientCount: number;
  readonly bufferedBytes: number;
  readonly counters: { readonly sent: number; readonly dropped: Readonly<Record<string, number>>; readonly occupancy: { readonly messages: number; readonly bytes: number } };
  readonly refused: Readonly<Record<string, number>>;
}

/** Frames that took longer than allowed. */
export interface BreachCounter {
  readonly stream: string;
  readonly cause: string;
  readonly count: number;
}

export interface ServerMetricsOptions {
  readonly version: string;
  readonly ws: WsCounters;
  readonly streams: () => readonly StreamView[];
  /** Preview pictures encoded so far, by stream. */
  readonly previews: () => ReadonlyMap<string, number>;
  readonly breaches: () => readonly BreachCounter[];
}

/** Prometheus metrics. Times are observed frame by frame; what is counted elsewhere is read when somebody asks. */
export class ServerMetrics {
  readonly #registry = new Registry();
  readonly #stageSeconds: Histogram<'stream' | 'stage'>;
  readonly #queueSeconds: Histogram<'stream' | 'stage'>;
  readonly #endToEndSeconds: Histogram<'stream'>;
  readonly #boxesBeforeNms: Histogram<'stream' | 'stage'>;
  readonly #frameAgeSeconds: Gauge<'stream'>;
  readonly #occupancyLevel: Gauge<'stream'>;
  readonly #occupancyComputed: Gauge<'stream'>;
  readonly #nearestMeters: Gauge<'stream'>;
  readonly #lastFrameSeconds: Gauge<'stream'>;
  readonly #streams: () => readonly StreamView[];
  #snapshot: readonly { view: StreamView; stats: StreamStats }[] = [];
  readonly #detections = new Map<string, { labels: readonly string[]; counts: number[] }>();

  constructor(options: ServerMetricsOptions) {
    this.#streams = options.streams;
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    const histogram = { buckets: BUCKETS_S, registers };
    this.#stageSeconds = new Histogram({ name: 'lynceus_stage_duration_seconds', help: 'Time a stage worked on a frame', labelNames: ['stream', 'stage'] as const, ...histogram });
    this.#queueSeconds = new Histogram({ name: 'lynceus_queue_wait_seconds', help: 'Time a frame waited for a stage', labelNames: ['stream', 'stage'] as const, ...histogram });
    this.#endToEndSeconds = new Histogram({ name: 'lynceus_end_to_end_latency_seconds', help: "From a frame's first byte to its results", labelNames: ['stream'] as const, ...histogram });
    this.#boxesBeforeNms = new Histogram({ name: 'lynceus_boxes_before_nms', help: 'Boxes of a frame that went into suppression', labelNames: ['stream', 'stage'] as const, buckets: BUCKETS_BOXES, registers });
    this.#frameAgeSeconds = new Gauge({ name: 'lynceus_frame_age_seconds', help: 'From capture to results of the newest frame, where the capture time is known', labelNames: ['stream'] as const, registers });
    this.#lastFrameSeconds = new Gauge({ name: 'lynceus_source_last_frame_timestamp_seconds', help: 'When the newest frame was delivered', labelNames: ['stream'] as const, registers });
    const gaugeOf = (name: string, help: string) => new Gauge({ name, help, labelNames: ['stream'] as const, registers });
    this.#occupancyLevel = gaugeOf('lynceus_occupancy_level', 'Cells a side of the finest level of occupied space that the newest pair was looked at in');
    this.#occupancyComputed = gaugeOf('lynceus_occupancy_computed_ratio', 'Of the cells of that level, those that were computed');
    this.#nearestMeters = gaugeOf('lynceus_nearest_obstacle_meters', 'On the ground plane, from the left camera to the nearest obstacle in any sector; +Inf where nothing is in range');
    this.#registerStreams(options);
    this.#registerServer(options);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The exposition text. */
  text(): Promise<string> {
    // Once for all metrics of a scrape: statistics have percentiles to compute, and the numbers should be of one moment.
    this.#snapshot = this.#streams().map((view) => ({ view, stats: view.stats() }));
    return this.#registry.metrics();
  }

  /** Counts one frame: a few microseconds. */
  observe({ stream, result, labels, timings, endToEndMs, emittedEpochMs }: DeliveredFrame): void {
    for (const { stage, queuedMs, startedMs, endedMs, boxesBeforeNms } of timings) {
      this.#stageSeconds.observe({ stream, stage }, (endedMs - startedMs) / 1e3);
      this.#queueSeconds.observe({ stream, stage }, (startedMs - queuedMs) / 1e3);
      if (boxesBeforeNms !== undefined) this.#boxesBeforeNms.observe({ stream, stage }, boxesBeforeNms);
    }
    this.#endToEndSeconds.observe({ stream }, endToEndMs / 1e3);
    this.#lastFrameSeconds.set({ stream }, emittedEpochMs / 1e3);
    const { epochMs } = result.frame.capture;
    // A recording's capture time may be years ago: only a clock that runs now tells an age.
    if (epochMs !== undefined && isLiveClock(result.frame.capture.clock)) this.#frameAgeSeconds.set({ stream }, (emittedEpochMs - epochMs) / 1e3);
    if (result.occupancy) this.#observeOccupancy(stream, result.occupancy);
    if (result.detections) this.#countDetections(stream, labels, result.detections.classId, result.detections.count - coastedIn(result.tracks));
  }

  #observeOccupancy(stream: string, occupancy: OccupancyReport | MissingOccupancy): void {
    if ('code' in occupancy) return;
    const { level, computedShare, nearest } = occupancy;
    this.#occupancyLevel.set({ stream }, level);
    this.#occupancyComputed.set({ stream }, computedShare);
    this.#nearestMeters.set({ stream }, nearest.distanceM.reduce((least, distanceM) => Math.min(least, distanceM), Infinity));
  }

  #countDetections(stream: string, labels: readonly string[], classId: Int32Array, count: number): void {
    let entry = this.#detections.get(stream);
    if (entry === undefined || entry.labels !== labels) {
      entry = { labels, counts: labels.map(() => 0) };
      this.#detections.set(stream, entry);
    }
    for (let i = 0; i < count; i++) {
      const label = classId[i]!;
      if (label < entry.counts.length) entry.counts[label]! += 1;
    }
  }

  #registerStreams({ previews, breaches }: ServerMetricsOptions): void {
    const gauge = this.#scraped(Gauge);
    const counter = this.#scraped(Counter);
    counter('lynceus_frames_received_total', 'Frames that came from the source', ['stream'], (set) => {
      for (const { stats } of this.#snapshot) set({ stream: stats.stream }, stats.received);
    });
    counter('lynceus_frames_delivered_total', 'Frames that passed all stages', ['stream'], (set) => {
      for (const { stats } of this.#snapshot) set({ stream: stats.stream }, stats.delivered);
    });
    counter('lynceus_frames_dropped_total', 'Frames that were lost, by place and reason', ['stream', 'stage', 'reason'], (set) => {
      for (const { stats } of this.#snapshot) for (const { stage, reason, count } of stats.dropped) set({ stream: stats.stream, stage, reason }, count);
    });
    counter('lynceus_detections_total', 'Objects found', ['stream', 'label'], (set) => {
      for (const [stream, { labels, counts }] of this.#detections) {
        counts.forEach((count, i) => {
          if (count > 0) set({ stream, label: labels[i]! }, count);
        });
      }
    });
    gauge('lynceus_queue_depth', 'Frames waiting for a stage or being worked on', ['stream', 'stage'], (set) => {
      for (const { stats } of this.#snapshot) for (const { stage, inFlight } of stats.stages) set({ stream: stats.stream, stage }, inFlight);
    });
    gauge('lynceus_source_up', '1 while pictures come', ['stream'], (set) => {
      for (const { view } of this.#snapshot) set({ stream: view.name }, UP.has(view.lastEvent()?.state ?? 'connecting') ? 1 : 0);
    });
    counter('lynceus_source_reconnects_total', 'Times the source was connected again, by the error code of what it had lost', ['stream', 'reason'], (set) => {
      for (const { view } of this.#snapshot) for (const { reason, count } of view.reconnectReasons()) set({ stream: view.name, reason }, count);
    });
    gauge('lynceus_frame_pool_buffers', 'Buffers that frames are read into', ['stream'], (set) => {
      for (const { stream, capacity } of this.#pools()) set({ stream }, capacity);
    });
    gauge('lynceus_frame_pool_buffers_in_use', 'Of these, buffers that hold a frame now', ['stream'], (set) => {
      for (const { stream, inUse } of this.#pools()) set({ stream }, inUse);
    });
    counter('lynceus_breaches_total', 'Frames that took longer than --breach allows, by what made them late', ['stream', 'cause'], (set) => {
      for (const { stream, cause, count } of breaches()) set({ stream, cause }, count);
    });
    counter('lynceus_patch_regions_total', 'Regions that the guard looked at closely, one for each frame they are in', ['stream', 'verdict', 'action'], (set) => {
      for (const { stream, patches } of this.#guards()) for (const { verdict, action, count } of patches) set({ stream, verdict, action }, count);
    });
    counter('lynceus_guard_extra_passes_total', 'Inferences of the guard beside the one that every frame costs', ['stream'], (set) => {
      for (const { stream, extraPasses } of this.#guards()) set({ stream }, extraPasses);
    });
    counter('lynceus_guard_frames_total', 'Frames by what the guard could do for them', ['stream', 'state', 'reason'], (set) => {
      for (const { stream, frames } of this.#guards()) for (const { state, reason, count } of frames) set({ stream, state, reason: reason ?? '' }, count);
    });
    counter('lynceus_guard_boxes_total', 'Boxes that the guard brought back or took out', ['stream', 'origin'], (set) => {
      for (const { stream, recovered, suppressed } of this.#guards()) {
        set({ stream, origin: 'recovered' }, recovered);
        set({ stream, origin: 'suppressed' }, suppressed);
      }
    });
    counter('lynceus_redundancy_frames_total', 'Frames by how their detections came about', ['stream', 'action', 'reason'], (set) => {
      for (const { stream, frames } of this.#redundancies()) for (const { action, reason, count } of frames) set({ stream, action, reason }, count);
    });
    gauge('lynceus_redundancy_avoided_work_ratio', 'Work of the model that the redundancy gate spared, of inferring every frame whole', ['stream'], (set) => {
      for (const { stream, avoidedWorkShare } of this.#redundancies()) set({ stream }, avoidedWorkShare);
    });
    gauge('lynceus_tracks', 'Confirmed tracks seen in the newest frame', ['stream'], (set) => {
      for (const { stream, now } of this.#tracks()) set({ stream }, now);
    });
    counter('lynceus_tracks_confirmed_total', 'Tracks that were ever confirmed', ['stream'], (set) => {
      for (const { stream, confirmed } of this.#tracks()) set({ stream }, confirmed);
    });
    counter('lynceus_track_ids_total', 'Track ids given, those of tentative tracks too', ['stream'], (set) => {
      for (const { stream, idsGiven } of this.#tracks()) set({ stream }, idsGiven);
    });
    counter('lynceus_occupancy_pairs_total', 'Pairs of pictures that told occupied space, by the finest level that they were looked at in', ['stream', 'level'], (set) => {
      for (const { stream, levels } of this.#occupancies()) for (const { level, count } of levels) set({ stream, level: String(level) }, count);
    });
    counter('lynceus_occupancy_missing_total', 'Pairs that told nothing of it, by error code', ['stream', 'code'], (set) => {
      for (const { stream, missing } of this.#occupancies()) for (const { code, count } of missing) set({ stream, code }, count);
    });
    gauge('lynceus_operating_point', 'Place on the ladder of the operating point that frames are worked on at, 0 is the cheapest', ['stream', 'name'], (set) => {
      for (const { stream, point } of this.#governors()) set({ stream, name: point.name }, point.index);
    });
    counter('lynceus_governor_moves_total', 'Moves between operating points', ['stream', 'reason'], (set) => {
      for (const { stream, moves } of this.#governors()) for (const { reason, count } of moves) set({ stream, reason }, count);
    });
    counter('lynceus_preview_encodes_total', 'Preview pictures encoded', ['stream'], (set) => {
      for (const [stream, count] of previews()) set({ stream }, count);
    });
  }

  #pools(): readonly { readonly stream: string; readonly capacity: number; readonly inUse: number }[] {
    return this.#snapshot.flatMap(({ view }) => {
      const pool = view.pool();
      return pool ? [{ stream: view.name, capacity: pool.capacity, inUse: pool.inUse }] : [];
    });
  }

  #guards(): readonly (GuardStats & { readonly stream: string })[] {
    return this.#snapshot.flatMap(({ stats: { stream, guard } }) => (guard ? [{ stream, ...guard }] : []));
  }

  #redundancies(): readonly (RedundancyStats & { readonly stream: string })[] {
    return this.#snapshot.flatMap(({ stats: { stream, redundancy } }) => (redundancy ? [{ stream, ...redundancy }] : []));
  }

  #tracks(): readonly (TrackStats & { readonly stream: string })[] {
    return this.#snapshot.flatMap(({ stats: { stream, tracks } }) => (tracks ? [{ stream, ...tracks }] : []));
  }

  #occupancies(): readonly (OccupancyStats & { readonly stream: string })[] {
    return this.#snapshot.flatMap(({ stats: { stream, occupancy } }) => (occupancy ? [{ stream, ...occupancy }] : []));
  }

  #governors(): readonly (GovernorStats & { readonly stream: string })[] {
    return this.#snapshot.flatMap(({ stats: { stream, governor } }) => (governor ? [{ stream, ...governor }] : []));
  }

  #registerServer({ ws, version }: ServerMetricsOptions): void {
    const gauge = this.#scraped(Gauge);
    const counter = this.#scraped(Counter);
    gauge('lynceus_ws_clients', 'WebSocket clients', [], (set) => set({}, ws.clientCount));
    gauge('lynceus_ws_send_buffer_bytes', 'Bytes that wait in the sockets of all clients', [], (set) => set({}, ws.bufferedBytes));
    counter('lynceus_ws_messages_sent_total', 'Messages sent to all clients', [], (set) => set({}, ws.counters.sent));
    counter('lynceus_ws_messages_dropped_total', 'Frames that one client did not get', ['reason'], (set) => {
      for (const [reason, count] of Object.entries(ws.counters.dropped)) set({ reason: reason.replace('client:', '') }, count);
    });
    counter('lynceus_ws_occupancy_messages_total', 'Messages of occupied space sent to all clients', [], (set) => set({}, ws.counters.occupancy.messages));
    counter('lynceus_ws_occupancy_bytes_total', 'Their bytes', [], (set) => set({}, ws.counters.occupancy.bytes));
    counter('lynceus_ws_refused_total', 'Connections refused, by error code', ['code'], (set) => {
      for (const [code, count] of Object.entries(ws.refused)) set({ code }, count);
    });
    gauge('lynceus_build_info', 'Always 1; the labels say what runs', ['version', 'node'], (set) => set({ version, node: process.version }, 1));
  }

  /** A metric whose values are read at the time of the scrape. */
  #scraped(Kind: typeof Gauge | typeof Counter) {
    return (name: string, help: string, labelNames: string[], read: (set: (labels: Record<string, string>, value: number) => void) => void): Metric => {
      const config = {
        name,
        help,
        labelNames,
        registers: [this.#registry],
        collect: () => {
          metric.reset();
          read((labels, value) => metric.inc(labels, value));
        },
      };
      const metric = new Kind(config);
      return metric;
    };
  }
}

/** Boxes where nothing was detected, the last ones of a frame. */
function coastedIn(tracks: FrameTracks | undefined): number {
  return tracks?.isCoasted.reduce((sum, one) => sum + one, 0) ?? 0;
}

function isLiveClock(clock: DeliveredFrame['result']['frame']['capture']['clock']): boolean {
  return clock === 'rtcp_sr' || clock === 'rtp_arrival' || clock === 'host';
}
