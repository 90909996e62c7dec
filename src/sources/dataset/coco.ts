import { isAbsolute, join, normalize } from 'node:path';
import { readdir } from 'node:fs/promises';
import { z } from 'zod';
import type { Size } from '../../core/frame.js';
import type { Dataset, DatasetImage, GroundTruthBox } from './dataset.js';
import { empty, inspectPictures, invalid, isFile, isFolder, readText } from './dataset-files.js';
import { datasetImages } from './dataset-images.js';

/** Where the parts of a COCO dataset lie. */
export interface CocoLayout {
  readonly annotations: string;
  readonly pictures: string;
}

const length = z.number().nonnegative();
const annotationFile = z.object({
  images: z.array(z.object({ id: z.number().int(), file_name: z.string().min(1), width: z.number().int().positive().optional(), height: z.number().int().positive().optional() })),
  annotations: z
    .array(
      z.object({
        image_id: z.number().int(),
        category_id: z.number().int(),
        bbox: z.tuple([z.number(), z.number(), length, length]),
        area: length.optional(),
        iscrowd: z.union([z.literal(0), z.literal(1), z.boolean()]).optional(),
        ignore: z.union([z.literal(0), z.literal(1), z.boolean()]).optional(),
      }),
    )
    .default([]),
  categories: z.array(z.object({ id: z.number().int(), name: z.string().min(1) })).default([]),
});
type AnnotationFile = z.infer<typeof annotationFile>;

/**
 * `instances.json` or `annotations.json` beside `images/`, or as COCO itself is unpacked: `annotations/instances_val2017.json` and
 * `val2017/`.
 *
 * @throws AppError ERR_DATASET_INVALID where several parts of COCO lie side by side
 */
export async function findCoco(folder: string): Promise<CocoLayout | undefined> {
  const pictures = join(folder, 'images');
  for (const name of ['instances.json', 'annotations.json']) {
    const annotations = join(folder, name);
    if ((await isFile(annotations)) && (await isFolder(pictures))) return { annotations, pictures };
  }
  const parts = await findParts(folder);
  if (parts.length > 1) {
    const names = parts.map(({ pictures: part }) => part).join(', ');
    throw invalid(folder, `expected one part of COCO but found ${parts.length} (${names})`, 'Make a folder with one instances.json and one images/ (links will do).');
  }
  return parts[0];
}

async function findParts(folder: string): Promise<CocoLayout[]> {
  const annotations = join(folder, 'annotations');
  if (!(await isFolder(annotations))) return [];
  const parts: CocoLayout[] = [];
  for (const name of (await readdir(annotations)).sort()) {
    const part = /^instances_(.+)\.json$/.exec(name)?.[1];
    if (part === undefined) continue;
    for (const pictures of [join(folder, part), join(folder, 'images', part)]) {
      if (await isFolder(pictures)) parts.push({ annotations: join(annotations, name), pictures });
    }
  }
  return parts;
}

/** @throws AppError ERR_DATASET_INVALID, ERR_DATASET_EMPTY */
export async function readCoco(folder: string, { annotations, pictures }: CocoLayout): Promise<Dataset> {
  const file = parse((await readText(annotations)) ?? '', annotations);
  if (file.images.length === 0) throw empty(annotations);
  checkReferences(file, annotations);
  const images = await readImages(file, annotations, folder, pictures);
  return { kind: 'coco', folder, images, categories: file.categories, boxes: file.annotations.map(toBox), frameRateFps: undefined };
}

async function readImages(file: AnnotationFile, annotations: string, folder: string, pictures: string): Promise<DatasetImage[]> {
  const present = new Set(await readdir(pictures));
  const wanted = await Promise.all(
    file.images.map(async ({ file_name: name, width, height }, i) => {
      const path = present.has(name) ? join(pictures, name) : await locate(name, folder, pictures, `${annotations}: images[${i}].file_name`);
      const stated: Size | undefined = width === undefined || height === undefined ? undefined : { width, height };
      return { path, stated, turning: stated ?? ('stored' as const) };
    }),
  );
  const found = await inspectPictures(wanted);
  return datasetImages(
    file.images.map(({ id, file_name: fileName }, i) => ({ id, fileName, picture: found[i]!, stated: wanted[i]!.stated, statedIn: `${annotations}: images[${i}]` })),
  );
}

/** File names are relative to the pictures, or to the dataset (`images/1.jpg`). */
async function locate(name: string, folder: string, pictures: string, place: string): Promise<string> {
  if (isAbsolute(name) || normalize(name).startsWith('..')) throw invalid(place, `expected a file inside the dataset but found ${name}`);
  for (const path of [join(pictures, name), join(folder, name)]) if (await isFile(path)) return path;
  throw invalid(place, `there is no ${name} in ${pictures}`, 'Complete the pictures, or take those that are missing out of the annotations.');
}

function parse(text: string, path: string): AnnotationFile {
  const checked = annotationFile.safeParse(parseJson(text, path));
  if (checked.success) return checked.data;
  const { path: key, message } = checked.error.issues[0]!;
  throw invalid(`${path}: ${keyText(key)}`, message, "Ground truth is expected in the format of COCO's instances.json.");
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const { message } = error as Error;
    const at = /position (\d+)/.exec(message)?.[1];
    const line = at === undefined ? text.split('\n').length : text.slice(0, Number(at)).split('\n').length;
    throw invalid(`${path}, line ${line}`, `expected JSON but found: ${message}`);
  }
}

/** `annotations[3].bbox[2]` */
function keyText(key: readonly PropertyKey[]): string {
  const text = key.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
  return text === '' ? 'the file' : text.replace(/^\./, '');
}

function checkReferences({ images, annotations, categories }: AnnotationFile, path: string): void {
  const imageIds = uniqueIds(images, `${path}: images`);
  const categoryIds = uniqueIds(categories, `${path}: categories`);
  for (const [i, { image_id: image, category_id: category }] of annotations.entries()) {
    if (!imageIds.has(image)) throw invalid(`${path}: annotations[${i}].image_id`, `there is no image ${image}`);
    if (!categoryIds.has(category)) throw invalid(`${path}: annotations[${i}].category_id`, `there is no category ${category}`);
  }
}

function uniqueIds(entries: readonly { readonly id: number }[], place: string): Set<number> {
  const ids = new Set<number>();
  for (const [i, { id }] of entries.entries()) {
    if (ids.has(id)) throw invalid(`${place}[${i}].id`, `${id} was used before`);
    ids.add(id);
  }
  return ids;
}

function toBox(annotation: AnnotationFile['annotations'][number]): GroundTruthBox {
  const { image_id: imageId, category_id: categoryId, bbox, area, iscrowd, ignore } = annotation;
  return { imageId, categoryId, xywh: bbox, areaPx: area ?? bbox[2] * bbox[3], crowd: Boolean(iscrowd), ignore: Boolean(ignore) };
}
