import { z } from 'zod';
import type { GridLevel } from '../../core/voxel-grid.js';
import { FUSION_DEFAULTS } from '../../occupancy/fusion.js';

export const DEFAULT_OCCUPANCY_MODEL = 'stereo-occupancy';

const degrees = z.number().min(-90).max(90);
const heightM = z.number().min(-1000).max(1000);

/** Of log odds: what one sighting counts, and where they end. */
const fusionOptions = z
  .strictObject({
    halfLifeS: z.number().positive().max(3600).default(FUSION_DEFAULTS.halfLifeS).describe('Time in which what is known of a cell that nobody looks at halves, seconds.'),
    hit: z.number().positive().max(10).default(FUSION_DEFAULTS.hit).describe('Log odds that one sighting adds.'),
    miss: z.number().min(-10).lt(0).default(FUSION_DEFAULTS.miss).describe('Log odds that being seen free adds.'),
    most: z.number().positive().max(20).default(FUSION_DEFAULTS.most).describe('Bound of what is believed: it decides how many frames it takes to clear a cell.'),
    least: z.number().min(-20).max(0).default(FUSION_DEFAULTS.least).describe('The other bound.'),
    occupiedAbove: z.number().min(0).max(10).default(FUSION_DEFAULTS.occupiedAbove).describe('A cell with more log odds is occupied.'),
  })
  .refine(({ hit, most, occupiedAbove }) => occupiedAbove < Math.min(hit, most), { error: 'Expected less than hit and most, so that one sighting is enough', path: ['occupiedAbove'] });

const sectorOptions = z.strictObject({
  count: z.int().min(1).max(360).default(16).describe('Directions that the nearest obstacle is told for.'),
  fromDeg: degrees.optional().describe('Azimuth of the first one, 0 is straight ahead (what the left picture shows).'),
  toDeg: degrees.optional(),
});

export const occupancyOptions = z.strictObject({
  model: z.string().min(1).default(DEFAULT_OCCUPANCY_MODEL).describe('Id of an installed model of the task stereo-occupancy.'),
  level: z
    .union([z.literal(8), z.literal(16), z.literal(32), z.literal(64)], 'Expected 8, 16, 32 or 64')
    .transform((level): GridLevel => level)
    .default(64)
    .describe('Finest cells a side of the cube.'),
  budgetMs: z.number().positive().max(10_000).optional().describe('Time of the network for a pair: finer levels only while it lasts. All of them where absent.'),
  fusion: z.union([z.literal(false), fusionOptions], 'Expected false or { halfLifeS, hit, miss, most, least, occupiedAbove }').default(fusionOptions.parse({})).describe('How pairs are put together over time; false: each stands alone.'),
  sectors: sectorOptions.default(sectorOptions.parse({})),
  lowestM: heightM.optional().describe('Height above the left camera from which on something is an obstacle, metres (half way down to the bottom of the cube).'),
  highestM: heightM.optional().describe('Height up to which it is one, metres (a sixteenth of the range).'),
  keyframeEvery: z.int().min(1).max(10_000).optional().describe('Updates from one whole octree to the next (50).'),
  checkPairs: z.boolean().default(true).describe('Look for what makes pairs useless: swapped, upside down, misaligned, of different moments, a camera that shows nothing.'),
  mode: z.enum(['latency', 'throughput', 'auto']).default('auto').describe('latency: all cores on one pair. throughput: a pair on each core. auto: latency for one live stream, throughput for recordings and for several streams.'),
  cores: z.int().min(1).max(64).optional().describe('Cores for the network; all of them unless told otherwise.'),
  motion: z.string().min(1).optional().describe("Of a recording: file with the left camera's poses, of KITTI (a line a frame) or NDJSON (pts_us, matrix)."),
});

export type OccupancyOptions = z.output<typeof occupancyOptions>;
