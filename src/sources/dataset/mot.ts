import { join } from 'node:path';
import type { Size } from '../../core/frame.js';
import type { Dataset, DatasetCategory, GroundTruthBox } from './dataset.js';
import { empty, inspectPictures, invalid, isFile, isFolder, pictureNames, readInteger, readNumber, readRows, readText, type Row } from './dataset-files.js';
import { datasetImages } from './dataset-images.js';

const PERSON: DatasetCategory = { id: 1, name: 'person' };

/** Numbers of MOT16, 17 and 20: which class of detectors trained on COCO finds them. Occluders (9 to 11, 13) are no objects of any class. */
const CLASSES: Readonly<Record<number, { readonly category: DatasetCategory; readonly scored: boolean }>> = {
  1: { category: PERSON, scored: true }, // pedestrian
  2: { category: PERSON, scored: false }, // person on a vehicle
  3: { category: { id: 2, name: 'car' }, scored: false },
  4: { category: { id: 3, name: 'bicycle' }, scored: false },
  5: { category: { id: 4, name: 'motorcycle' }, scored: false },
  7: { category: PERSON, scored: false }, // static person
  8: { category: PERSON, scored: false }, // distractor
  12: { category: PERSON, scored: false }, // reflection
};

/** Columns of MOT16 and later; MOT15 has seven, or ten with a place in the world. */
const COLUMNS_WITH_CLASS = 9;

interface SequenceInfo {
  readonly pictures: string;
  readonly frameRateFps: number | undefined;
  readonly size: Size | undefined;
}

/** MOTChallenge: `seqinfo.ini`, or its folder of pictures with `gt/gt.txt`. */
export async function isMot(folder: string): Promise<boolean> {
  if (await isFile(join(folder, 'seqinfo.ini'))) return true;
  return (await isFolder(join(folder, 'img1'))) && (await isFile(join(folder, 'gt', 'gt.txt')));
}

/** @throws AppError ERR_DATASET_INVALID, ERR_DATASET_EMPTY */
export async function readMot(folder: string): Promise<Dataset> {
  const iniPath = join(folder, 'seqinfo.ini');
  const { pictures: picturesName, frameRateFps, size } = readSequenceInfo((await readText(iniPath)) ?? '', iniPath);
  const pictures = join(folder, picturesName);
  const names = (await isFolder(pictures)) ? await pictureNames(pictures) : [];
  if (names.length === 0) throw empty(pictures);
  const found = await inspectPictures(names.map((name) => ({ path: join(pictures, name), turning: 'stored' })));
  const ids = names.map((name) => frameNumber(name, pictures));
  const images = datasetImages(names.map((fileName, i) => ({ id: ids[i]!, fileName, picture: found[i]!, stated: size, statedIn: iniPath })));
  const gtPath = join(folder, 'gt', 'gt.txt');
  const rows = readRows((await readText(gtPath)) ?? '', gtPath, /\s*,\s*/);
  const boxes = boxesOf(rows, new Set(ids));
  const used = new Set(boxes.map(({ categoryId }) => categoryId));
  const categories = [...new Set(Object.values(CLASSES).map(({ category }) => category))].filter(({ id }) => used.has(id));
  return { kind: 'mot', folder, images, categories, boxes, frameRateFps };
}

/** `000017.jpg` is frame 17. */
function frameNumber(name: string, folder: string): number {
  const digits = /^(?:.*\D)?(\d+)\.\w+$/.exec(name)?.[1];
  if (digits === undefined) throw invalid(join(folder, name), 'expected the number of the frame as name');
  return Number(digits);
}

function readSequenceInfo(text: string, path: string): SequenceInfo {
  const entries = new Map<string, Row>();
  for (const row of readRows(text, path, /\s*=\s*/)) entries.set(row.fields[0]!.toLowerCase(), row);
  const positive = (name: string): number | undefined => {
    const row = entries.get(name.toLowerCase());
    if (!row) return undefined;
    const value = readNumber(row, 1, name);
    if (value > 0) return value;
    throw invalid(row.place, `expected a positive number for ${name} but found ${value}`);
  };
  const [width, height] = [positive('imWidth'), positive('imHeight')];
  return {
    pictures: entries.get('imdir')?.fields[1] ?? 'img1',
    frameRateFps: positive('frameRate'),
    size: width === undefined || height === undefined ? undefined : { width, height },
  };
}

/** Boxes of the frames whose pictures are here: a part of a sequence comes with the whole of its truth. */
function boxesOf(rows: readonly Row[], frames: ReadonlySet<number>): GroundTruthBox[] {
  return rows.flatMap((row) => {
    const imageId = readInteger(row, 0, 'the frame', 0);
    const kind = row.fields.length === COLUMNS_WITH_CLASS ? readInteger(row, 7, 'the class', 1) : 1;
    const left = readNumber(row, 2, 'left') - 1; // pixels count from 1
    const top = readNumber(row, 3, 'top') - 1;
    const width = readNumber(row, 4, 'width');
    const height = readNumber(row, 5, 'height');
    if (width <= 0 || height <= 0) throw invalid(row.place, `expected a box with an area but found ${width} x ${height}`);
    const isConsidered = readNumber(row, 6, 'the flag') !== 0;
    const meaning = CLASSES[kind];
    if (!meaning || !frames.has(imageId)) return [];
    const { category, scored } = meaning;
    const box = { imageId, categoryId: category.id, xywh: [left, top, width, height], areaPx: width * height, crowd: false, ignore: !scored || !isConsidered } as const;
    const trackId = readInteger(row, 1, 'the identity', -1);
    return [trackId < 0 ? box : { ...box, trackId }];
  });
}
