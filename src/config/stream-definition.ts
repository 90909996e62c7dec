import { z } from 'zod';

const positiveInteger = z.int().positive();
/** Ids that the ledger of every stream books the time before and after the stages under. */
const RESERVED_IDS = ['source', 'deliver'];
const name = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, 'Expected 1 to 64 letters, digits, dots, dashes or underscores');

export const overflowSchema = z
  .union([z.enum(['latest', 'drop', 'block']), z.strictObject({ buffer: positiveInteger.max(256) })], 'Expected latest, drop, block or { buffer: 1 to 256 }')
  .describe('What happens to a frame that comes while the stage is busy: latest keeps the newest, drop keeps the waiting one, block makes the source wait, { buffer: n } keeps the newest n.');

const realtime = z.boolean().describe('Pace frames by their timestamps instead of reading as fast as they can be worked on.');
const loop = z.boolean().describe('Start again at the end.');

const networkFields = {
  url: z.string().min(1).describe('Address; ${NAME} is taken from the environment, so that passwords stay out of the file.'),
  transport: z.enum(['tcp', 'udp']).optional().describe('RTSP only; tcp unless told otherwise.'),
  stallTimeoutMs: positiveInteger.optional().describe('Without a frame for so long, the source is stalled and is connected anew (5000).'),
  frozenTimeoutMs: positiveInteger.optional().describe('The same picture for so long counts as frozen (10000).'),
};

const path = z.string().min(1);
const metres = z.number().max(1000);

/** One camera of a stereo pair: pacing and looping are the pair's. */
const cameraSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('file'), path }),
  z.strictObject({ kind: z.literal('rtsp'), ...networkFields }),
  z.strictObject({ kind: z.literal('http'), ...networkFields }),
]);

const stereoSchema = z
  .strictObject({
    kind: z.literal('stereo'),
    left: cameraSchema.optional().describe('The left camera, with right: two files, or two cameras.'),
    right: cameraSchema.optional(),
    path: path.optional().describe('Instead of left and right: a video that shows both, or a folder of pairs (image_2 and image_3, or left and right).'),
    layout: z.enum(['left-right', 'right-left', 'top-bottom', 'bottom-top']).optional().describe('Where a video that shows both has the left camera, and then the right one (left-right).'),
    calibration: z
      .union([path, z.tuple([path, path])], 'Expected a file, or two of them')
      .describe('File of KITTI, Middlebury or OpenCV; or two, left before right (ROS) or intrinsics before extrinsics.'),
    unit: z.enum(['m', 'cm', 'mm']).optional().describe('Of the lengths in a calibration of OpenCV or ROS (m).'),
    pictureSize: z.strictObject({ width: positiveInteger, height: positiveInteger }).optional().describe('Of each picture, where cameras are live and their calibration says no size; pixels.'),
    rangeM: metres.positive().optional().describe('How far occupied space is looked for: edge of the cube, metres (32).'),
    bottomM: metres.min(-1000).optional().describe('Lower face of the cube, metres below the left camera (a thirty-second of the range).'),
    toleranceMs: z.number().min(0).max(1000).optional().describe('Of left and right: frames further apart are no pair (10).'),
    pairBy: z.enum(['capture', 'pts']).optional().describe('Of left and right: the time that frames are paired by; capture for cameras, pts for files, unless told otherwise.'),
    realtime: realtime.optional(),
    loop: loop.optional(),
    frameRateFps: z.number().positive().optional().describe('Of a folder: pairs a second (10).'),
  })
  .superRefine((source, context) => {
    const fault = stereoFault(source);
    if (fault) context.addIssue({ code: 'custom', path: [fault.at], message: fault.message });
  });

export const sourceSchema = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('file'), path, realtime: realtime.optional(), loop: loop.optional() }),
    z.strictObject({ kind: z.literal('rtsp'), ...networkFields }),
    z.strictObject({ kind: z.literal('http'), ...networkFields }),
    z.strictObject({
      kind: z.literal('dataset'),
      path: z.string().min(1).describe('Folder: COCO, MOTChallenge, KITTI tracking or plain images.'),
      realtime: realtime.optional(),
      loop: loop.optional(),
      frameRateFps: z.number().positive().optional(),
    }),
    stereoSchema,
  ])
  .describe('Where frames come from.');

export const stageSchema = z.strictObject({
  id: name.describe('Name of the stage in timings, metrics and messages.'),
  kind: z.string().min(1).describe('Which stage: gate.redundancy right before a detector.yolo, that, guard.patch right after one, tracker.byte after these; occupancy.stereo, of a stereo source, before or after them.'),
  overflow: overflowSchema.optional(),
  options: z.record(z.string(), z.unknown()).optional().describe('Options of that kind of stage.'),
});

export const governorSchema = z
  .strictObject({
    target: z
      .string()
      .regex(/^\d*[1-9]\d*(\.\d+)?\s*(ms|fps)$/, 'Expected a latency such as 25ms or a rate such as 20fps')
      .describe('What is held: the latency of a frame, from its first byte to its results, or frames a second.'),
    floor: z
      .union(
        [
          positiveInteger,
          z.strictObject({
            sidePx: positiveInteger.optional().describe("Longer side of the model's input, pixels; three eighths of its own unless told otherwise."),
            every: positiveInteger.max(16).optional().describe('Every so many frames are inferred at least (4); the boxes of the others are moved. For a rate only.'),
            ap50: z.number().min(0).max(1).optional().describe('Measured accuracy that no operating point may be below.'),
          }),
        ],
        'Expected a side in pixels or { sidePx, every, ap50 }',
      )
      .optional()
      .describe("What the governor never goes below: the longer side of the model's input in pixels, or more exactly."),
    hold: z
      .boolean()
      .optional()
      .describe('For a latency: results that are ready early wait until shortly before it (true), so that it is the same for every frame. Live streams only.'),
    along: z
      .enum(['ratios', 'sizes', 'both'])
      .optional()
      .describe("What operating points differ in: the ratios of an elastic model at its own size, sizes of the model and its relatives, or both (of an elastic model; else sizes)."),
  })
  .describe("Keeps the stream's time steady by moving along operating points of its model.");

export const streamDefinitionSchema = z
  .strictObject({
    $schema: z.string().optional(),
    name,
    source: sourceSchema,
    stages: z.array(stageSchema).min(1).max(32).describe('In order: each takes the results of the one before it.'),
    governor: governorSchema.optional(),
  })
  .superRefine(({ stages }, context) => {
    const ids = stages.map(({ id }) => id);
    ids.forEach((id, i) => {
      const message = idFault(id, ids.slice(0, i));
      if (message !== undefined) context.addIssue({ code: 'custom', path: ['stages', i, 'id'], message });
    });
  });

/** What doesn't go together: a pair of sources has other fields than pictures that hold both. */
function stereoFault({ left, right, path: both, layout, frameRateFps, toleranceMs, pairBy, realtime: isPaced, loop: isLooped }: StereoDefinition): { readonly at: string; readonly message: string } | undefined {
  if (both !== undefined) {
    if (left || right) return { at: 'path', message: 'Expected left and right, or path, not both' };
    if (toleranceMs !== undefined || pairBy !== undefined) return { at: toleranceMs === undefined ? 'pairBy' : 'toleranceMs', message: 'Expected left and right with it: what comes from one path is paired already' };
    return undefined;
  }
  if (!left || !right) return { at: left ? 'right' : 'left', message: 'Expected left and right, or path' };
  if (layout !== undefined || frameRateFps !== undefined) return { at: layout === undefined ? 'frameRateFps' : 'layout', message: 'Expected path with it' };
  if ((left.kind === 'file') !== (right.kind === 'file')) return { at: 'right', message: 'Expected two files or two cameras' };
  if (left.kind !== 'file' && (isPaced ?? isLooped) !== undefined) return { at: isPaced === undefined ? 'loop' : 'realtime', message: 'Expected files with it: cameras have their own time' };
  return undefined;
}

export type SourceDefinition = z.infer<typeof sourceSchema>;
export type StereoDefinition = z.infer<typeof stereoSchema>;
export type CameraDefinition = z.infer<typeof cameraSchema>;
export type StageDefinition = z.infer<typeof stageSchema>;
export type GovernorDefinition = z.infer<typeof governorSchema>;
export type StreamDefinition = z.infer<typeof streamDefinitionSchema>;

/** Every time, loss and metric is booked under a stage's id. */
function idFault(id: string, before: readonly string[]): string | undefined {
  if (RESERVED_IDS.includes(id)) return `Expected another id than ${RESERVED_IDS.join(' and ')}, which every stream has`;
  return before.includes(id) ? 'Expected an id that no other stage has' : undefined;
}

/** JSON Schema of a stream file, published as `streams/stream.schema.json`. */
export function streamJsonSchema(): Record<string, unknown> {
  return { title: 'lynceus stream definition', ...z.toJSONSchema(streamDefinitionSchema, { io: 'input' }) };
}
