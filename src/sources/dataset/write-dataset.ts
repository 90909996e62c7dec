import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, posix } from 'node:path';
import sharp from 'sharp';
import { AppError, systemErrorCode } from '../../core/errors.js';
import type { Size } from '../../core/size.js';
import { type Dataset, type DatasetImage, type GroundTruthBox, isFault, type PictureFile } from './dataset.js';
import { isFile } from './dataset-files.js';

export interface WriteDatasetOptions {
  readonly dataset: Dataset;
  /** Made where it is missing; has to be empty. */
  readonly folder: string;
  /** Changes a picture in place before it is written; packed RGB, of the size that boxes are in. */
  readonly draw?: (image: DatasetImage, rgb: Uint8Array, size: Size) => void;
  /** Called after each picture with the number of those done. */
  readonly onPicture?: (done: number) => void;
}

/** Pictures in work at a time: one is decoded or packed while another is drawn on. */
const PARALLEL_PICTURES = 3;
/** Lossless, and little work: pictures are large and don't stay long. */
const PNG = { compressionLevel: 1, adaptiveFiltering: false };

/** MOTChallenge's numbers of the classes that `readMot` knows, by the name of the category. */
const MOT_CLASSES: Readonly<Record<string, number>> = { person: 1, car: 3, bicycle: 4, motorcycle: 5 };

/**
 * Writes a dataset in the layout that it came in, so that `readDataset` gives the same ids and boxes: pictures as PNG, those that can't be
 * decoded as they are.
 *
 * @throws AppError ERR_OUTPUT_WRITE (the folder isn't empty, or can't be written), ERR_DISK_FULL, ERR_FRAME_CORRUPT.
 */
export async function writeDataset(options: WriteDatasetOptions): Promise<void> {
  const { dataset, folder } = options;
  try {
    await makeEmptyFolder(folder);
    const names = pictureNames(dataset);
    const folders = new Set([...names.values()].map((name) => dirname(join(folder, name))));
    for (const path of folders) await mkdir(path, { recursive: true });
    await writePictures(options, names);
    await writeTruth(dataset, folder, names);
  } catch (thrown) {
    throw outputError(thrown, folder);
  }
}

/** The pixels of a picture, packed RGB, as its dataset's boxes see it. @throws AppError ERR_FRAME_CORRUPT */
export async function readPicture({ path, orientation, size }: PictureFile): Promise<Uint8Array> {
  try {
    const stored = sharp(path, { failOn: 'error' });
    const upright = orientation === 1 ? stored : stored.rotate();
    const { data, info } = await upright.toColourspace('srgb').flatten().raw().toBuffer({ resolveWithObject: true });
    if (info.width !== size.width || info.height !== size.height) throw new Error(`expected ${size.width} x ${size.height} pixels but decoded ${info.width} x ${info.height}`);
    return info.channels === 3 ? new Uint8Array(data) : greyToRgb(data, info.channels);
  } catch (cause) {
    throw new AppError('ERR_FRAME_CORRUPT', `${path} cannot be decoded: ${(cause as Error).message}`, { cause, fix: 'Replace the picture, or take it out of the dataset.' });
  }
}

/** Where each picture goes, below the folder, by image id. */
function pictureNames({ kind, images }: Dataset): Map<number, string> {
  const taken = new Set<string>();
  const unused = (name: string): string => {
    const free = taken.has(name) ? `${name.slice(0, -'.png'.length)}-${taken.size}.png` : name;
    taken.add(free);
    return free;
  };
  return new Map(images.map((image) => [image.id, unused(pictureName(kind, image))]));
}

function pictureName(kind: Dataset['kind'], { id, fileName, picture }: DatasetImage): string {
  // A broken picture keeps its name, and with it its ending.
  const png = isFault(picture) ? fileName : fileName.replace(/\.\w+$/, '.png');
  switch (kind) {
    case 'mot':
      return posix.join('img1', isFault(picture) ? fileName : `${String(id).padStart(6, '0')}.png`);
    case 'kitti-tracking':
      return posix.join('image_02', png);
    case 'coco':
    case 'images':
      return posix.join('images', png.replace(/^images\//, ''));
  }
}

async function writePictures({ dataset: { images }, folder, draw, onPicture }: WriteDatasetOptions, names: ReadonlyMap<number, string>): Promise<void> {
  let next = 0;
  let done = 0;
  const work = async (): Promise<void> => {
    while (next < images.length) {
      const image = images[next]!;
      next += 1;
      await writePicture(image, join(folder, names.get(image.id)!), draw);
      onPicture?.((done += 1));
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_PICTURES }, work));
}

async function writePicture(image: DatasetImage, path: string, draw: WriteDatasetOptions['draw']): Promise<void> {
  const { picture } = image;
  if (isFault(picture)) {
    if (await isFile(picture.path)) await copyFile(picture.path, path);
    return;
  }
  const rgb = await readPicture(picture);
  draw?.(image, rgb, picture.size);
  await sharp(rgb, { raw: { ...picture.size, channels: 3 } }).png(PNG).toFile(path);
}

async function writeTruth(dataset: Dataset, folder: string, names: ReadonlyMap<number, string>): Promise<void> {
  switch (dataset.kind) {
    case 'coco':
      return writeFile(join(folder, 'instances.json'), cocoText(dataset, names));
    case 'mot':
      await mkdir(join(folder, 'gt'), { recursive: true });
      await writeFile(join(folder, 'seqinfo.ini'), sequenceInfo(dataset));
      return writeFile(join(folder, 'gt', 'gt.txt'), motTruth(dataset));
    case 'kitti-tracking':
      return copyKittiLabels(dataset, folder);
    case 'images':
      return;
  }
}

function cocoText({ images, boxes, categories }: Dataset, names: ReadonlyMap<number, string>): string {
  const annotations = boxes.map(({ imageId, categoryId, xywh, areaPx, crowd, ignore }, i) => ({
    id: i + 1,
    image_id: imageId,
    category_id: categoryId,
    bbox: xywh,
    area: areaPx,
    iscrowd: Number(crowd),
    ignore: Number(ignore),
  }));
  const pictures = images.map(({ id, size }) => ({ id, file_name: posix.relative('images', names.get(id)!), ...size }));
  return JSON.stringify({ images: pictures, annotations, categories });
}

function sequenceInfo({ folder, images, frameRateFps }: Dataset): string {
  const size = images[0]?.size;
  const sameSize = size && images.every((image) => image.size?.width === size.width && image.size.height === size.height);
  return [
    '[Sequence]',
    `name=${basename(folder)}`,
    'imDir=img1',
    ...(frameRateFps === undefined ? [] : [`frameRate=${frameRateFps}`]),
    `seqLength=${images.length}`,
    ...(sameSize ? [`imWidth=${size.width}`, `imHeight=${size.height}`] : []),
    'imExt=.png',
    '',
  ].join('\n');
}

/** Rows of MOTChallenge with a class: frame, identity, left, top, width, height, whether it counts, class, visibility. Pixels from 1. */
function motTruth({ boxes, categories }: Dataset): string {
  const classes = new Map(categories.map(({ id, name }) => [id, MOT_CLASSES[name]!]));
  const row = ({ imageId, trackId = -1, xywh: [left, top, width, height], ignore, categoryId }: GroundTruthBox): string =>
    [imageId, trackId, left + 1, top + 1, width, height, ignore ? 0 : 1, classes.get(categoryId)!, 1].join(',');
  return boxes.map((box) => `${row(box)}\n`).join('');
}

/** Word for word: KITTI's types say more than a dataset keeps of them. */
async function copyKittiLabels(dataset: Dataset, folder: string): Promise<void> {
  const sequences = new Set(dataset.images.map(({ fileName }) => posix.dirname(fileName)));
  await mkdir(join(folder, 'label_02'), { recursive: true });
  for (const sequence of sequences) {
    const labels = join(dataset.folder, 'label_02', `${sequence}.txt`);
    if (await isFile(labels)) await copyFile(labels, join(folder, 'label_02', `${sequence}.txt`));
  }
}

async function makeEmptyFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const entries = await readdir(folder);
  if (entries.length > 0) throw new AppError('ERR_OUTPUT_WRITE', `Expected an empty folder at ${folder} but found ${entries.length} entries (${entries[0]!}, ...).`, { fix: 'Name another folder, or remove this one.' });
}

function outputError(thrown: unknown, folder: string): unknown {
  const code = systemErrorCode(thrown);
  if (thrown instanceof AppError || code === undefined) return thrown;
  return new AppError(code === 'ENOSPC' ? 'ERR_DISK_FULL' : 'ERR_OUTPUT_WRITE', `${folder} cannot be written: ${code}.`, { cause: thrown });
}

function greyToRgb(data: Buffer, channels: number): Uint8Array {
  const rgb = new Uint8Array((data.length / channels) * 3);
  for (let from = 0, to = 0; to < rgb.length; from += channels, to += 3) rgb.fill(data[from]!, to, to + 3);
  return rgb;
}
