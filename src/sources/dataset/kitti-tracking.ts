import { join } from 'node:path';
import type { Dataset, DatasetCategory, DatasetImage, GroundTruthBox } from './dataset.js';
import { empty, folderNames, inspectPictures, invalid, isFolder, pictureNames, readInteger, readNumber, readRows, readText, type Row } from './dataset-files.js';
import { datasetImages } from './dataset-images.js';

/** The rate of KITTI's cameras. */
const FRAME_RATE_FPS = 10;
/** No sequence is longer: the id of a picture is this times its sequence's place, plus its frame. */
const IDS_PER_SEQUENCE = 1_000_000;

const CATEGORIES = ['person', 'car', 'truck', 'bicycle', 'train'].map((name, i) => ({ id: i + 1, name })) satisfies DatasetCategory[];

interface Meaning {
  readonly name: (typeof CATEGORIES)[number]['name'];
  readonly ignore: boolean;
}

const scored = (name: string): Meaning[] => [{ name, ignore: false }];
const ignored = (...names: string[]): Meaning[] => names.map((name) => ({ name, ignore: true }));

/**
 * KITTI's types in classes that detectors trained on COCO find. As in KITTI's own evaluation the neighbours of a class are neither
 * right nor wrong: a van as a car, someone sitting as a person. A cyclist is a person and a bicycle in one box: as neither.
 */
const TYPES: Readonly<Record<string, readonly Meaning[]>> = {
  pedestrian: scored('person'),
  person: ignored('person'),
  person_sitting: ignored('person'),
  cyclist: ignored('person', 'bicycle'),
  car: scored('car'),
  van: ignored('car', 'truck'),
  truck: scored('truck'),
  tram: scored('train'),
  misc: [],
};

/** Columns: frame, track, type, truncated, occluded, alpha, left, top, right, bottom, then seven of the third dimension. */
const LEAST_COLUMNS = 10;

/** `image_02/<sequence>/*.png`. */
export function isKittiTracking(folder: string): Promise<boolean> {
  return isFolder(join(folder, 'image_02'));
}

/** All sequences of the folder, one after the other. @throws AppError ERR_DATASET_INVALID, ERR_DATASET_EMPTY */
export async function readKittiTracking(folder: string): Promise<Dataset> {
  const pictures = join(folder, 'image_02');
  const sequences = await folderNames(pictures);
  const parts = await Promise.all(sequences.map((name, place) => readSequence(folder, name, place * IDS_PER_SEQUENCE)));
  const images = parts.flatMap((part) => part.images);
  if (images.length === 0) throw empty(pictures);
  return { kind: 'kitti-tracking', folder, images, categories: CATEGORIES, boxes: parts.flatMap(({ boxes }) => boxes), frameRateFps: FRAME_RATE_FPS };
}

async function readSequence(folder: string, sequence: string, firstId: number): Promise<{ images: DatasetImage[]; boxes: GroundTruthBox[] }> {
  const pictures = join(folder, 'image_02', sequence);
  const names = await pictureNames(pictures);
  const found = await inspectPictures(names.map((name) => ({ path: join(pictures, name), turning: 'stored' })));
  const ids = names.map((name) => firstId + frameNumber(name, pictures));
  const images = datasetImages(names.map((name, i) => ({ id: ids[i]!, fileName: `${sequence}/${name}`, picture: found[i]! })));
  const labels = join(folder, 'label_02', `${sequence}.txt`);
  const present = new Set(ids);
  const rows = readRows((await readText(labels)) ?? '', labels, /\s+/);
  return { images, boxes: rows.flatMap((row) => boxesOf(row, firstId)).filter(({ imageId }) => present.has(imageId)) };
}

/** `000017.png` is frame 17. */
function frameNumber(name: string, folder: string): number {
  const digits = /^(\d+)\.\w+$/.exec(name)?.[1];
  if (digits === undefined || Number(digits) >= IDS_PER_SEQUENCE) throw invalid(join(folder, name), 'expected the number of the frame as name');
  return Number(digits);
}

function boxesOf(row: Row, firstId: number): GroundTruthBox[] {
  if (row.fields.length < LEAST_COLUMNS) throw invalid(row.place, `expected ${LEAST_COLUMNS} fields or more but found ${row.fields.length}`);
  const imageId = firstId + readInteger(row, 0, 'the frame', 0);
  const trackId = readInteger(row, 1, 'the track', -1);
  const [left, top] = [readNumber(row, 6, 'left'), readNumber(row, 7, 'top')];
  const [width, height] = [readNumber(row, 8, 'right') - left, readNumber(row, 9, 'bottom') - top];
  if (width <= 0 || height <= 0) throw invalid(row.place, `expected a box with an area but found ${width} x ${height}`);
  const type = row.fields[2]!.toLowerCase();
  const crowd = type === 'dontcare';
  const meanings = crowd ? ignored(...CATEGORIES.map(({ name }) => name)) : TYPES[type];
  if (!meanings) throw invalid(row.place, `expected a type of KITTI but found ${row.fields[2]!}`, `Known types: ${Object.keys(TYPES).join(', ')}, dontcare.`);
  return meanings.map(({ name, ignore }) => {
    const { id: categoryId } = CATEGORIES.find((category) => category.name === name)!;
    const box = { imageId, categoryId, xywh: [left, top, width, height], areaPx: width * height, crowd, ignore } as const;
    return trackId < 0 ? box : { ...box, trackId };
  });
}
