import { z } from 'zod';
import { ERROR_CODES, type ErrorCode } from '../core/errors.js';

/*
 * Everything that goes over the WebSocket, and the one place where it is defined: types, JSON Schemas and the AsyncAPI document
 * are all made from here. Names are snake_case on the wire.
 */

const errorCode = z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]).describe('Stable code, see docs/errors.md');
const rfc3339 = z.iso.datetime().describe('RFC 3339, UTC');
const count = z.int().min(0);
const milliseconds = z.number();
const streamName = z.string().min(1).max(128).describe('Name of a stream');
const requestId = z.exactOptional(z.string().max(64)).describe("Chosen by the client; the answer repeats it");

const sourceState = z.enum(['connecting', 'running', 'stalled', 'frozen', 'reconnecting', 'ended', 'failed']);
const policy = z
  .enum(['latest', 'all'])
  .describe('latest: at most one waiting frame per stream, a newer one replaces it. all: every frame in order, a client that cannot keep up is disconnected with 4408');

// --- the frame ---

/** Most that one frame lists, so that no picture makes a message without bound. */
export const MAX_PATCHES = 64;
export const MAX_SUPPRESSED = 100;
export const MAX_VOLUMES = 64;

const bbox = z.tuple([z.number(), z.number(), z.number(), z.number()]).describe('[x, y, width, height] in pixels of the source picture, as in COCO results');
const verdict = z.enum(['adversarial', 'suspicious', 'benign']).describe('suspicious: not or not yet decided; only adversarial ones are acted on');
const patchAction = z.enum(['filled', 'none']).describe('filled: detections are those of the picture without what the region shows');
const guardState = z.enum(['guarded', 'degraded', 'unguarded']).describe("degraded: less than it would have done, for lack of budget. unguarded: the detector's own detections, unchecked");
const guardReason = z.exactOptional(z.string().max(64)).describe('Why it is not guarded: budget, or an error code');

const redundancyAction = z
  .enum(['inferred', 'tile', 'reused', 'moved'])
  .describe('inferred: the model saw the whole picture. tile: it saw the part that changed. reused: the detections of the last inference. moved: the same, moved with what they show');
const redundancyReason = z.string().max(64).describe('first, changed, age, static or motion');

const distanceM = z.number().min(0).describe("Metres ahead of the left camera, to the front of what is there");
const extentM = z.tuple([z.number(), z.number(), z.number()]).describe("Width, height and depth in the left camera's axes, metres; whole cells");

const nearestObstacles = z
  .object({
    from_deg: z.number().min(-180).max(180).describe('Azimuth of the first sector, degrees; 0 is straight ahead, positive to the right'),
    to_deg: z.number().min(-180).max(180),
    distance_m: z.array(z.number().min(0).nullable()).min(1).max(360).describe('Of sectors of equal angle, from from_deg to to_deg: metres on the ground plane from the left camera; null where nothing is in range'),
  })
  .meta({ title: 'NearestObstacles' });
const level = z.union([z.literal(8), z.literal(16), z.literal(32), z.literal(64)]);
const grid = z
  .object({
    range_m: z.number().positive().describe('Edge of the cube, metres'),
    bottom_m: z.number().describe('Its lower face, metres below the left camera'),
  })
  .describe('x to the right from -range_m / 2 to range_m / 2, y down from bottom_m - range_m to bottom_m, z ahead from 0 to range_m');

const frameOccupancy = z
  .union([
    z.object({
      level: level.describe('Cells a side of the finest level that was reached in time'),
      computed_share: z.number().min(0).max(1).describe('Of the cells of the finest level, those that were computed'),
      nearest: nearestObstacles,
    }),
    z.object({ code: errorCode, message: z.string().describe('For people') }),
  ])
  .meta({ title: 'FrameOccupancy', description: 'What this pair told of occupied space, or why it told nothing.' });

const volume = z
  .object({ bbox, distance_m: distanceM, extent_m: extentM, cells: z.int().min(1) })
  .meta({ title: 'Volume', description: 'Something solid in the picture that no detection shows.' });

const detection = z
  .object({
    id: z.int().min(0).describe('Index within the frame'),
    track_id: z.exactOptional(z.int().min(1)).describe('Same object over several frames, where the stream tracks'),
    track_state: z.exactOptional(z.enum(['tentative', 'confirmed'])).describe('Comes with track_id. tentative: seen for so short a time that it may be noise'),
    coasted: z.exactOptional(z.literal(true)).describe('Not detected in this frame: a lost object where it is expected, with its last score. Only where the tracker was asked for it (coastSeconds)'),
    category_id: z.int().min(0).describe("Index into the stream's labels"),
    label: z.string(),
    score: z.number().min(0).max(1),
    bbox,
    guard: z
      .exactOptional(z.enum(['untouched', 'recovered', 'suppressed']))
      .describe('Where the stream has a guard. recovered: not found before a patch was taken out, or below one that is taken out from the start. suppressed: found, but made by a patch; only in suppressed'),
    distance_m: z.exactOptional(distanceM).describe('Where the stream knows occupied space, and something solid is in the box: metres ahead of the left camera, to its front'),
    extent_m: z.exactOptional(extentM).describe('Comes with distance_m: width, height and depth of what is seen of it, metres; whole cells'),
    has_volume: z.exactOptional(z.boolean()).describe('Where the stream knows occupied space. false: nothing solid is there within range'),
  })
  .meta({ title: 'Detection' });

const patch = z
  .object({
    id: z.exactOptional(z.int().min(1)).describe('Same patch over several frames, where frames follow each other'),
    bbox,
    score: z.number().min(0).max(1).describe('A half at the threshold: looks and what covering the region does, against what is usual on clean pictures'),
    verdict,
    action: patchAction,
    effect: z.exactOptional(z.enum(['hiding', 'appearing'])).describe('hiding: makes an object disappear. appearing: makes one appear where nothing is'),
  })
  .meta({ title: 'Patch', description: 'A region of the picture that the guard looked at closely.' });

const stageTiming = z
  .object({
    stage: z.string(),
    queue_ms: milliseconds.min(0).describe('Waited for the stage'),
    service_ms: milliseconds.min(0).describe('Was worked on'),
    worker: z.exactOptional(z.string()).describe('Which worker served it, where one did'),
    boxes_before_nms: z.exactOptional(count).describe('Of a detector: boxes over the threshold that went into suppression'),
    event_loop_delay_ms: milliseconds.min(0).describe('Longest time the main thread was late meanwhile'),
    gc_ms: milliseconds.min(0).describe('Garbage collection on the main thread meanwhile'),
  })
  .meta({ title: 'StageTiming' });

const operatingPoint = z
  .object({
    index: count.describe('Place on the ladder, 0 is the cheapest'),
    name: z.string(),
  })
  .meta({ title: 'OperatingPoint', description: 'A way to run the model: which one, at which size, and how often (a name that ends in /2 infers every second frame).' });
const moveReason = z.enum(['breach', 'slower', 'faster', 'floor']);

const frameTime = z.object({
  capture: rfc3339.nullable().describe('When the picture was taken; null where the recording does not say'),
  capture_clock: z.enum(['rtcp_sr', 'rtp_arrival', 'container_pts', 'dataset', 'host']).describe('Where the capture time comes from'),
  uncertainty_ms: milliseconds.min(0).nullable().describe('Half width of the interval that the true capture time lies in'),
  pts_us: z.int().describe("Presentation time in the source's own time line, microseconds"),
  emitted: rfc3339.describe('When the server had all results'),
});

const frameHead = {
  type: z.literal('frame'),
  stream: streamName,
  seq: count.describe('Counts every frame of the source from 0; gaps are dropped frames'),
};
const frameBody = {
  image: z
    .object({
      width: z.int().min(1),
      height: z.int().min(1),
      id: z.exactOptional(z.int()).describe('Of a dataset: the picture, as its annotations number it'),
      file: z.exactOptional(z.string()).describe('Of a dataset: the file, as its annotations name it'),
    })
    .describe('Size of the source picture, pixels, and which it is where pictures have names'),
  time: frameTime,
  detections: z.array(detection),
  timings: z.array(stageTiming).describe('What each stage cost; queue_ms and service_ms of all sum to end_to_end_ms'),
  end_to_end_ms: milliseconds.min(0).describe("From the frame's first byte in the server to all results"),
  dropped_since_last: z.record(z.string(), count).describe('Frames lost in the server since the last delivered one, by stage:reason'),
  patches: z.exactOptional(z.array(patch).max(MAX_PATCHES)).describe('Where the stream has a guard: adversarial regions first, then by falling score'),
  suppressed: z.exactOptional(z.array(detection).max(MAX_SUPPRESSED)).describe('Where the stream has a guard: what was found in the picture as it came, and is not delivered'),
  guard: z
    .exactOptional(z.object({ state: guardState, reason: guardReason, extra_passes: count.describe('Inferences beside the one that every frame costs') }))
    .describe('Where the stream has a guard: what it could do for this frame'),
  redundancy: z
    .exactOptional(
      z.object({
        action: redundancyAction,
        reason: redundancyReason,
        age_frames: count.describe('Frames since the last inference of the whole picture; 0 where this is one'),
        inferred_share: z.number().min(0).describe('Work of the model, in inferences of the whole picture'),
      }),
    )
    .describe('Where the stream has a redundancy gate: how the detections came about'),
  operating_point: z.exactOptional(operatingPoint).describe('Where the stream has a governor: the operating point that this frame was worked on at'),
  occupancy: z.exactOptional(frameOccupancy).describe('Where the stream knows occupied space: what this pair told of it'),
  volumes: z.exactOptional(z.array(volume).max(MAX_VOLUMES)).describe('Where the stream knows occupied space and detects: what is solid and in no box, the nearest first'),
};

/** Parts of a frame that `subscribe.fields` may choose from; `type`, `stream` and `seq` are always there. */
export const FRAME_FIELDS = ['image', 'time', 'detections', 'timings', 'end_to_end_ms', 'dropped_since_last', 'patches', 'suppressed', 'guard', 'redundancy', 'operating_point', 'occupancy', 'volumes'] as const;
export type FrameField = (typeof FRAME_FIELDS)[number];

export const frameMessage = z.object({ ...frameHead, ...frameBody });
/** A frame as it may come over the wire: with `subscribe.fields`, only the chosen parts are there. */
export const partialFrameMessage = z.object(frameHead).extend(z.object(frameBody).partial().shape).meta({ title: 'frame', description: 'Results of one frame. With subscribe.fields, only the chosen parts.' });

// --- what the server says besides ---

export const eventMessage = z
  .object({
    type: z.literal('event'),
    stream: streamName,
    time: rfc3339,
    state: sourceState,
    code: z.exactOptional(errorCode),
    message: z.string().describe('For people; never holds a credential'),
    attempt: z.exactOptional(z.int().min(1)).describe('While reconnecting: which attempt comes next'),
    retry_in_ms: z.exactOptional(milliseconds.min(0)),
  })
  .meta({ title: 'event', description: "The source of a stream changed its state. Sent for each subscribed stream at once with the newest state." });

export const operatingPointMessage = z
  .object({
    type: z.literal('operating_point'),
    stream: streamName,
    time: rfc3339,
    from: operatingPoint,
    to: operatingPoint,
    reason: moveReason.describe('breach: frames were late. slower: they would soon be. faster: there is room for a better one. floor: nothing cheaper is left, and frames are late'),
    message: z.string().describe('For people'),
  })
  .meta({ title: 'operating_point', description: 'The governor of a stream moved: frames are worked on at another operating point from now on.' });

const timeSummary = z
  .object({
    n: count,
    mean_ms: milliseconds.nullable(),
    variance_ms2: z.number().nullable(),
    cv: z.number().nullable().describe('Standard deviation over mean'),
    min_ms: milliseconds.nullable(),
    max_ms: milliseconds.nullable(),
    p50_ms: milliseconds.nullable(),
    p90_ms: milliseconds.nullable(),
    p95_ms: milliseconds.nullable(),
    p99_ms: milliseconds.nullable(),
    p999_ms: milliseconds.nullable(),
  })
  .meta({ title: 'TimeSummary', description: 'Distribution of one time. A percentile is null where n is too small to say (64 for p90, 662 for p99, 4603 for p99.9).' });

const guardStats = z
  .object({
    frames: z.array(z.object({ state: guardState, reason: guardReason, count })),
    patches: z.array(z.object({ verdict, action: patchAction, count })).describe('Regions looked at closely, one for each frame that they are in'),
    extra_passes: count,
    recovered: count.describe('Boxes'),
    suppressed: count.describe('Boxes'),
  })
  .meta({ title: 'GuardStats', description: 'What the guard did since the stream began.' });

const trackStats = z
  .object({
    now: count.describe('Confirmed tracks that were seen in the newest frame'),
    confirmed: count.describe('Tracks that were ever confirmed'),
    ids_given: count.describe('Greatest track_id so far: tentative tracks have one, too'),
  })
  .meta({ title: 'TrackStats', description: 'What the tracker did since the stream began.' });

const redundancyStats = z
  .object({
    frames: z.array(z.object({ action: redundancyAction, reason: redundancyReason, count })),
    avoided_inferences: count.describe('Frames that the model did not see'),
    avoided_work_share: z.number().describe('Of the work of inferring every frame whole'),
  })
  .meta({ title: 'RedundancyStats', description: 'What the redundancy gate spared since the stream began.' });

const occupancyStats = z
  .object({
    pairs: count.describe('Pairs of pictures that told something'),
    computed_share: z.number().min(0).max(1).describe('Of the cells of the finest level, those that were computed: the mean over these pairs'),
    levels: z.array(z.object({ level, count })).describe('Pairs by the finest level that they were looked at in'),
    missing: z.array(z.object({ code: errorCode, count })).describe('Pairs that told nothing, by why'),
  })
  .meta({ title: 'OccupancyStats', description: 'What the pairs of pictures told of occupied space since the stream began.' });

export const statsMessage = z
  .object({
    type: z.literal('stats'),
    stream: streamName,
    time: rfc3339,
    fps: z.number().min(0).describe('Delivered frames a second over the last seconds'),
    received: count,
    delivered: count,
    dropped: z.array(z.object({ stage: z.string(), reason: z.string(), count })),
    reconnects: count,
    end_to_end: timeSummary,
    stages: z.array(z.object({ stage: z.string(), queue: timeSummary, service: timeSummary, in_flight: count })),
    event_loop_delay: timeSummary,
    guard: z.exactOptional(guardStats).describe('Where the stream has a guard'),
    redundancy: z.exactOptional(redundancyStats).describe('Where the stream has a redundancy gate'),
    tracks: z.exactOptional(trackStats).describe('Where the stream has a tracker'),
    occupancy: z.exactOptional(occupancyStats).describe('Where the stream knows occupied space'),
    governor: z
      .exactOptional(z.object({ point: operatingPoint, moves: z.array(z.object({ reason: moveReason, count })) }))
      .describe('Where the stream has a governor: the point that frames are worked on at now, and its moves since the stream began'),
  })
  .meta({ title: 'stats', description: 'Counters and distributions of one stream since its start, once a second.' });

const stereoView = z
  .object({
    rig: z
      .object({
        width: z.int().min(1),
        height: z.int().min(1),
        focal_px: z.number().positive().describe('Along rows'),
        focal_y_px: z.number().positive().describe('Along columns; another one where the pictures are stretched'),
        centre: z.tuple([z.number(), z.number()]).describe('Where the optical axis meets the left picture, pixels; pixel centres are at whole numbers'),
        centre_shift_px: z.number().describe('Column of the axis in the right picture less that in the left one'),
        baseline_m: z.number().positive(),
      })
      .describe('Two equal cameras side by side, their pictures rectified'),
    grid,
  })
  .meta({ title: 'StereoView', description: 'What a stream of a stereo rig sees with, and the cube that it looks at.' });

const streamInfo = z
  .object({
    name: streamName,
    source_kind: z.string(),
    location: z.string().describe('Address without credentials'),
    model: z.string(),
    labels: z.array(z.string()).describe('category_id is an index into these'),
    state: sourceState,
    occupancy: z.exactOptional(stereoView).describe('Where the stream tells occupied space'),
  })
  .meta({ title: 'StreamInfo' });

const limits = z
  .object({
    max_message_bytes: count.describe('Of one message to the server; a bigger one closes the connection with 1009'),
    max_subscriptions: count,
    max_messages_per_s: z.number().describe('To the server'),
    max_bad_messages: count.describe('After so many errors the connection is closed with 4400'),
    max_pending_messages: count.describe('policy all: as many may wait before the connection is closed with 4408'),
    max_pending_bytes: count,
  })
  .meta({ title: 'Limits' });

export const helloMessage = z
  .object({
    type: z.literal('hello'),
    protocol: z.int(),
    server: z.object({ name: z.string(), version: z.string() }),
    server_time: rfc3339,
    schema: z.string().describe('Path of the JSON Schemas on the same host'),
    streams: z.array(streamInfo),
    limits,
  })
  .meta({ title: 'hello', description: 'First message of a connection that is allowed in.' });

export const authRequiredMessage = z
  .object({ type: z.literal('auth_required'), within_ms: milliseconds })
  .meta({ title: 'auth_required', description: 'Comes instead of hello where a token is needed and the handshake had none: send auth in time.' });

const subscription = z.object({
  stream: z.string().describe("Name of a stream, or '*' for all that have no subscription of their own"),
  fields: z.array(z.enum(FRAME_FIELDS)),
  max_rate: z.number().nullable().describe('Frames a second; null is as they come'),
  policy,
  preview: z.boolean(),
  occupancy: z.boolean(),
});

export const subscribedMessage = z
  .object({ type: z.literal('subscribed'), id: requestId, subscriptions: z.array(subscription) })
  .meta({ title: 'subscribed', description: 'Answer to subscribe and unsubscribe: all that this connection is subscribed to now.' });

export const droppedMessage = z
  .object({
    type: z.literal('dropped'),
    stream: streamName,
    counts: z.record(z.string(), count).describe('By reason: client:replaced_by_newer, client:max_rate, and the stage:reason counts of the frames that this client never got'),
  })
  .meta({
    title: 'dropped',
    description: 'What this one client lost since the last such message of the stream: comes right before a frame, at most once a second. With dropped_since_last of the frames it explains every gap in seq.',
  });

export const errorMessage = z
  .object({ type: z.literal('error'), id: requestId, code: errorCode, message: z.string(), fix: z.exactOptional(z.string()) })
  .meta({ title: 'error', description: 'A message of the client could not be followed. The connection stays open.' });

export const pongMessage = z.object({ type: z.literal('pong'), id: requestId, server_time: rfc3339 }).meta({ title: 'pong', description: 'Answer to ping.' });

/** Head of the binary preview message: 4 bytes length (big-endian), this as JSON, then a JPEG. */
export const previewHeader = z
  .object({ type: z.literal('preview'), stream: streamName, seq: count, width: z.int().min(1), height: z.int().min(1) })
  .meta({ title: 'preview', description: 'Head of a binary message: 4 bytes head length (big-endian), this head as JSON in UTF-8, then a JPEG of the frame seq.' });

// --- occupied space ---

// `z.base64()` would be the format `base64` in the schemas, which JSON Schema doesn't have.
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** Bytes, at most so many: 4 letters for 3 of them, the last ones padded. */
const bytes = (most: number) => z.string().regex(BASE64).max(4 * Math.ceil(most / 3)).meta({ contentEncoding: 'base64' });
const bitset = bytes(64).length(88).describe('64 bytes (base64 in JSON, bin in MessagePack), a bit for each block of the coarsest level (8 x 8 x 8): block i is bit i % 8 of byte i >> 3');

export const occupancyMessage = z
  .object({
    type: z.literal('occupancy'),
    stream: streamName,
    seq: count.describe('The frame that it was seen in'),
    pts_us: z.int().describe("Presentation time of that frame in the source's own time line, microseconds"),
    kind: z.enum(['keyframe', 'delta']).describe('keyframe: these are all occupied blocks. delta: changed blocks with what is in them now; the others stay'),
    epoch: count.describe('Deltas hold within one epoch'),
    update: count.describe('Counts the updates of an epoch. A keyframe may come at any of them, a delta goes from since to this one'),
    since: z.exactOptional(count).describe('Of a delta: the update of the same epoch that it follows on. Who has another one cannot read it, and waits for a keyframe'),
    level: level.describe('Cells a side of the finest level that was reached'),
    grid,
    changed: bitset,
    cleared: z.exactOptional(bitset).describe('Of a delta: blocks that are not occupied any more'),
    subtrees: bytes(512 * 73).describe('Bytes, as above. Of each changed block in ascending order: a mask of its children for every cell coarser than level, breadth first'),
    confidence: z.exactOptional(bytes(512 * 512)).describe('Bytes, as above. Of each cell at level in the order that the subtrees are read in: how sure it is, in 255ths'),
    nearest: z.exactOptional(nearestObstacles).describe('The nearest obstacle by direction'),
  })
  .meta({ title: 'occupancy', description: 'Occupied space before a stereo rig, as an octree. Only to who subscribed with occupancy.' });

// --- what a client says ---

export const subscribeMessage = z
  .strictObject({
    type: z.literal('subscribe'),
    id: requestId,
    streams: z.array(streamName).min(1).max(256).describe("Names, or '*' for all streams, those to come too"),
    fields: z.exactOptional(z.array(z.enum(FRAME_FIELDS)).max(FRAME_FIELDS.length)).describe('Parts of the frame to send; all where absent'),
    max_rate: z.exactOptional(z.number().positive().max(1000)).describe('Frames a second at most'),
    policy: policy.default('latest'),
    preview: z.boolean().default(false).describe('Also send the pictures, as binary messages'),
    occupancy: z.boolean().default(false).describe('Also send occupied space, where the stream knows it: an occupancy message after each of these frames'),
  })
  .meta({ title: 'subscribe', description: 'Frames, events and stats of streams, please. Repeated for a stream, it replaces its settings.' });

export const unsubscribeMessage = z
  .strictObject({ type: z.literal('unsubscribe'), id: requestId, streams: z.array(streamName).min(1).max(256) })
  .meta({ title: 'unsubscribe', description: "Ends the subscriptions of these names; '*' ends all of them." });

export const pingMessage = z
  .strictObject({ type: z.literal('ping'), id: requestId })
  .meta({ title: 'ping', description: 'For clients that cannot send WebSocket pings (browsers).' });

export const authMessage = z
  .strictObject({ type: z.literal('auth'), token: z.string().max(4096) })
  .meta({ title: 'auth', description: 'The bearer token, for clients that cannot set headers (browsers). First message of the connection.' });

export const clientMessage = z.discriminatedUnion('type', [authMessage, subscribeMessage, unsubscribeMessage, pingMessage]);

export type FrameMessage = z.infer<typeof frameMessage>;
export type DetectionMessage = FrameMessage['detections'][number];
export type FrameOccupancyMessage = z.infer<typeof frameOccupancy>;
export type VolumeMessage = z.infer<typeof volume>;
export type NearestObstaclesMessage = z.infer<typeof nearestObstacles>;
export type StereoViewMessage = z.infer<typeof stereoView>;
export type PatchMessage = z.infer<typeof patch>;
export type GuardStatsMessage = z.infer<typeof guardStats>;
export type TrackStatsMessage = z.infer<typeof trackStats>;
export type StageTimingMessage = FrameMessage['timings'][number];
export type PartialFrameMessage<F extends FrameField = FrameField> = Pick<FrameMessage, 'type' | 'stream' | 'seq' | F>;
export type EventMessage = z.infer<typeof eventMessage>;
export type OperatingPointMessage = z.infer<typeof operatingPointMessage>;
export type StatsMessage = z.infer<typeof statsMessage>;
export type TimeSummaryMessage = z.infer<typeof timeSummary>;
export type StreamInfo = z.infer<typeof streamInfo>;
export type LimitsMessage = z.infer<typeof limits>;
export type HelloMessage = z.infer<typeof helloMessage>;
export type AuthRequiredMessage = z.infer<typeof authRequiredMessage>;
export type SubscriptionMessage = z.infer<typeof subscription>;
export type SubscribedMessage = z.infer<typeof subscribedMessage>;
export type DroppedMessage = z.infer<typeof droppedMessage>;
export type ErrorMessage = z.infer<typeof errorMessage>;
export type PongMessage = z.infer<typeof pongMessage>;
export type PreviewHeader = z.infer<typeof previewHeader>;

type OccupancyInJson = z.infer<typeof occupancyMessage>;
/** With `string`, as it comes in JSON (base64); with `Uint8Array`, as it is in MessagePack, and before it is encoded. */
export type OccupancyMessage<Bytes extends string | Uint8Array = string> = Omit<OccupancyInJson, 'changed' | 'cleared' | 'subtrees' | 'confidence'> & {
  changed: Bytes;
  cleared?: Bytes;
  subtrees: Bytes;
  confidence?: Bytes;
};

/** All that the server sends in the chosen encoding; `Bytes` is how binary parts come: `string` to who reads JSON. */
export type ServerMessage<Bytes extends string | Uint8Array = Uint8Array> =
  | HelloMessage
  | AuthRequiredMessage
  | SubscribedMessage
  | FrameMessage
  | EventMessage
  | OccupancyMessage<Bytes>
  | OperatingPointMessage
  | StatsMessage
  | DroppedMessage
  | ErrorMessage
  | PongMessage;

/** A client's message as it is checked, with defaults filled in. */
export type ClientMessage = z.infer<typeof clientMessage>;
/** A client's message as it is written. */
export type ClientMessageInput = z.input<typeof clientMessage>;
export type SubscribeMessage = z.infer<typeof subscribeMessage>;
