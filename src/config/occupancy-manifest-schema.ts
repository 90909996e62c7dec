import { z } from 'zod';

const fileName = z.string().regex(/^[^/\\]+$/, 'must be a file name without folders');
const graph = z.strictObject({ file: fileName.describe('ONNX file beside the manifest'), sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits').describe('of `file`') });
const probability = z.number().min(0).max(1);
const side = z.int().positive().max(8192).describe('pixels');
const span = z
  .tuple([z.number().positive(), z.number().positive()])
  .refine(([least, most]) => least <= most, 'must be the least and the most, in this order')
  .describe('from the least to the most');

function rule<const Sources extends readonly [string, ...string[]]>(sources: Sources) {
  return z.strictObject({ source: z.enum(sources).describe('which answer tells the cells'), above: probability.describe('probability above which a cell is occupied') });
}

/** Of `core/occupancy-manifest.ts`. */
export const occupancyManifestSchema = z.strictObject({
  $schema: z.string().optional(),
  id: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/, 'must be lower-case letters, digits, dots, dashes and underscores').max(100),
  task: z.literal('stereo-occupancy'),
  title: z.string().min(1),
  licence: z.string().min(1),
  files: z.strictObject({ coarse: graph, fine: graph }),
  input: z.strictObject({ width: side, height: side }).describe('pictures are stretched to this'),
  planes: z.enum(['voxel', 'uniform']).describe('how the disparities that are looked at lie: at the slabs of cells or at equal steps'),
  levels: z
    .strictObject({
      all: z.strictObject({ '8': rule(['coarse8', 'coarse16', 'fine16']), '16': rule(['coarse16', 'fine16']), '32': rule(['fine32']), '64': rule(['fine64']) }).describe('where both parts have run'),
      coarse: z.strictObject({ '8': rule(['coarse8', 'coarse16']), '16': rule(['coarse16']) }).describe('where the coarse part has run alone'),
    })
    .describe('by cells a side'),
  refine: z.strictObject({ threshold: probability, margin: z.int().min(0).max(15).describe('neighbours that come with a cell') }).describe('which cells of 16 a side the fine part is asked for'),
  trained: z.strictObject({ focalLengthWidths: span, baselineM: span, rangeM: span }).describe('rigs that it was trained with'),
  lineage: z.strictObject({ parent: z.string().nullable(), origin: z.string().min(1), operations: z.array(z.looseObject({ kind: z.string().min(1) })) }),
  baseline: z
    .strictObject({ dataset: z.string().min(1), pairs: z.int().positive(), iou: z.strictObject({ '8': probability, '16': probability, '32': probability, '64': probability }) })
    .nullable()
    .describe('written by a measured run; null is not measured yet'),
});
