import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { AppError, systemErrorCode } from '../core/errors.js';

const image = z.object({ id: z.number(), file_name: z.string(), width: z.number().optional(), height: z.number().optional() });
const category = z.object({ id: z.number(), name: z.string() });
const annotation = z.object({
  image_id: z.number(),
  category_id: z.number(),
  /** Left, top, width, height. */
  bbox: z.tuple([z.number(), z.number(), z.number(), z.number()]),
  /** Of the object's outline, smaller than its box: decides between small, medium and large. */
  area: z.number().optional(),
  /** 1 where the box holds a crowd: finding it is neither right nor wrong. */
  iscrowd: z.union([z.literal(0), z.literal(1), z.boolean()]).optional(),
});
const dataset = z.object({ images: z.array(image), annotations: z.array(annotation), categories: z.array(category) });

/** Ground truth in the format of COCO's `instances.json`; other keys are passed over. Pixels of the source pictures. */
export type CocoDataset = z.infer<typeof dataset>;
export type CocoAnnotation = CocoDataset['annotations'][number];
export type CocoCategory = CocoDataset['categories'][number];

/** One detection in the format of COCO's results. */
export interface CocoResult {
  readonly image_id: number;
  readonly category_id: number;
  /** Left, top, width, height in pixels of the source picture. */
  readonly bbox: readonly [left: number, top: number, width: number, height: number];
  readonly score: number;
}

/**
 * @param location named in messages.
 * @throws {AppError} ERR_DATASET_INVALID, ERR_DATASET_EMPTY (no images).
 */
export function parseCocoDataset(value: unknown, location: string): CocoDataset {
  const checked = dataset.safeParse(value);
  if (!checked.success) {
    const issue = checked.error.issues[0]!;
    throw new AppError('ERR_DATASET_INVALID', `${location}: ${issue.path.join('.') || 'the file'}: ${issue.message}`, {
      fix: "Ground truth is expected in the format of COCO's instances.json.",
    });
  }
  if (checked.data.images.length === 0) throw new AppError('ERR_DATASET_EMPTY', `${location} has no images`);
  return checked.data;
}

/** @throws {AppError} ERR_FILE_NOT_FOUND, ERR_DATASET_INVALID, ERR_DATASET_EMPTY. */
export async function readCocoDataset(path: string): Promise<CocoDataset> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (systemErrorCode(cause) === 'ENOENT') throw new AppError('ERR_FILE_NOT_FOUND', `No ground truth at ${path}`, { cause });
    throw cause;
  }
  return parseCocoDataset(parseJson(text, path), path);
}

function parseJson(text: string, location: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AppError('ERR_DATASET_INVALID', `${location} is not JSON: ${(cause as Error).message}`, { cause });
  }
}
