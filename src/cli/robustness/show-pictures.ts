import sharp from 'sharp';
import type { Size } from '../../core/size.js';
import { matchObjects, type ObjectMatches } from '../../evaluation/robustness/object-matches.js';
import { type FoundBox, type PictureOutcome, type PlacedPatch, type RunOutcome, xywhToXyxy } from '../../evaluation/robustness/run-outcome.js';
import type { ScoringOptions } from '../../evaluation/robustness/run-score.js';
import { type Dataset, type DatasetImage, isFault, type PictureFile } from '../../sources/dataset/dataset.js';
import { readDataset } from '../../sources/dataset/read-dataset.js';
import { readPicture } from '../../sources/dataset/write-dataset.js';

/** One picture as it is, attacked and defended; JPEG files with boxes drawn in. */
export interface ShownPicture {
  readonly fileName: string;
  /** What is to be seen: `2 of 3 people found clean are lost`. */
  readonly caption: string;
  readonly panels: readonly { readonly title: string; readonly jpeg: Uint8Array }[];
}

export interface ShowRequest {
  readonly dataset: Dataset;
  /** The same pictures with patches. */
  readonly attackedFolder: string;
  readonly clean: RunOutcome;
  readonly attacked: RunOutcome;
  /** Absent without a defence. */
  readonly defended: RunOutcome | undefined;
  readonly patches: readonly PlacedPatch[];
  readonly scoring: ScoringOptions;
}

/** Of each patch: failures first, then successes. */
const SHOWN_FAILURES = 2;
const SHOWN_SUCCESSES = 2;
/** Pictures that are nearer to each other, as a share of the dataset, are taken for neighbours. */
const NEIGHBOURS = 0.02;
const PANEL_WIDTH_PX = 440;
const JPEG_QUALITY = 72;
/** Shown of a picture at least, and around what matters, as shares of its sides. */
const LEAST_VIEW = 0.3;
const VIEW_MARGIN = 1.4;

/** An example and why it is shown. */
interface Example {
  readonly imageId: number;
  readonly foundClean: number;
  readonly lostAttacked: number;
  readonly lostInTheEnd: number;
}

/** Draws the pictures with the worst failures of the defence (or of the model, without one), then those with its best successes. */
export async function showPictures(request: ShowRequest): Promise<ShownPicture[]> {
  const { dataset, attackedFolder, clean, attacked, defended, scoring } = request;
  const matches = { clean: matchObjects(clean, scoring.truth, scoring), attacked: matchObjects(attacked, scoring.truth, scoring), defended: matchObjects(defended ?? attacked, scoring.truth, scoring) };
  const examples = chooseExamples(request, matches);
  const changed = new Map((await readDataset(attackedFolder)).images.map((image) => [image.id, image]));
  const original = new Map(dataset.images.map((image) => [image.id, image]));
  const shown: ShownPicture[] = [];
  for (const example of examples) {
    const [before, after] = [original.get(example.imageId), changed.get(example.imageId)];
    if (before && after && !isFault(before.picture) && !isFault(after.picture)) shown.push(await showExample(request, example, before, before.picture, after.picture, matches));
  }
  return shown;
}

interface Matches {
  readonly clean: ObjectMatches;
  readonly attacked: ObjectMatches;
  readonly defended: ObjectMatches;
}

function chooseExamples({ scoring, defended, clean }: ShowRequest, matches: Matches): Example[] {
  const examples = clean.map(({ imageId }): Example => {
    const found = [...matches.clean.found].filter((place) => scoring.truth.annotations[place]!.image_id === imageId);
    const lost = (run: ObjectMatches): number => found.filter((place) => !run.found.has(place)).length;
    return { imageId, foundClean: found.length, lostAttacked: lost(matches.attacked), lostInTheEnd: lost(matches.defended) };
  });
  const failures = examples.filter(({ lostInTheEnd }) => lostInTheEnd > 0).sort((a, b) => b.lostInTheEnd - a.lostInTheEnd);
  if (!defended) return spread(failures, SHOWN_FAILURES + SHOWN_SUCCESSES, [], examples);
  const recovered = ({ lostAttacked, lostInTheEnd }: Example): number => lostAttacked - lostInTheEnd;
  const shownFailures = spread(failures, SHOWN_FAILURES, [], examples);
  const successes = examples.filter((example) => recovered(example) > 0).sort((a, b) => recovered(b) - recovered(a));
  return [...shownFailures, ...spread(successes, SHOWN_SUCCESSES, shownFailures, examples)];
}

/** The first so many that aren't beside another one: neighbouring frames show the same. @param shown others. */
function spread(candidates: readonly Example[], count: number, shown: readonly Example[], all: readonly Example[]): Example[] {
  const places = new Map(all.map((example, place) => [example, place]));
  const chosen: Example[] = [];
  for (const candidate of candidates) {
    if (chosen.length >= count) break;
    const isNear = (other: Example): boolean => Math.abs(places.get(other)! - places.get(candidate)!) < NEIGHBOURS * all.length;
    if (![...shown, ...chosen].some(isNear)) chosen.push(candidate);
  }
  return chosen;
}

async function showExample(request: ShowRequest, example: Example, image: DatasetImage, before: PictureFile, after: PictureFile, matches: Matches): Promise<ShownPicture> {
  const { imageId, foundClean, lostAttacked, lostInTheEnd } = example;
  const { clean, attacked, defended, patches, scoring } = request;
  const truth = patches.filter((patch) => patch.imageId === imageId).map(({ xyxy }) => xyxy);
  const lost = (run: ObjectMatches) => [...matches.clean.found].filter((place) => scoring.truth.annotations[place]!.image_id === imageId && !run.found.has(place)).map((place) => xywhToXyxy(scoring.truth.annotations[place]!.bbox));
  const outcome = (run: RunOutcome) => run.find((picture) => picture.imageId === imageId);
  const view = viewOf([...lost(matches.attacked), ...lost(matches.defended)], before.size);
  const panel = async (title: string, picture: PictureFile, run: RunOutcome, marks: Omit<Marks, 'boxes' | 'regions'>) => {
    const found = outcome(run);
    return { title, jpeg: await drawPanel(picture, view, { ...marks, boxes: judgedBoxes(found, scoring), regions: regionsOf(found) }) };
  };
  const panels = [
    await panel('clean', before, clean, { patches: [], lost: [] }),
    await panel('attacked', after, attacked, { patches: truth, lost: lost(matches.attacked) }),
    ...(defended ? [await panel('guarded', after, defended, { patches: truth, lost: lost(matches.defended) })] : []),
  ];
  const inTheEnd = defended ? `, ${lostInTheEnd} behind the defence` : '';
  return { fileName: image.fileName, caption: `${image.fileName}: of ${foundClean} found in the clean picture, ${lostAttacked} lost under attack${inTheEnd}`, panels };
}

function judgedBoxes(picture: PictureOutcome | undefined, { categories, threshold }: ScoringOptions): FoundBox[] {
  return (picture?.boxes ?? []).filter(({ score, categoryId }) => score >= threshold && categoryId !== undefined && categories.includes(categoryId));
}

function regionsOf(picture: PictureOutcome | undefined): (readonly [number, number, number, number])[] {
  return (picture?.guard?.patches ?? []).filter(({ verdict }) => verdict === 'adversarial').map(({ xyxy }) => xyxy);
}

/** The part of a picture that is shown, pixels. */
interface View extends Size {
  readonly left: number;
  readonly top: number;
}

/** As much around what matters as is needed to see it, in the picture's own proportions: people far away are small. */
function viewOf(xyxy: readonly (readonly number[])[], { width, height }: Size): View {
  const [left, top] = [Math.min(width, ...xyxy.map((box) => box[0]!)), Math.min(height, ...xyxy.map((box) => box[1]!))];
  const [right, bottom] = [Math.max(0, ...xyxy.map((box) => box[2]!)), Math.max(0, ...xyxy.map((box) => box[3]!))];
  const share = Math.min(1, Math.max(LEAST_VIEW, VIEW_MARGIN * Math.max((right - left) / width, (bottom - top) / height)));
  const view = { width: Math.round(width * share), height: Math.round(height * share) };
  const place = (middle: number, length: number, whole: number): number => Math.round(Math.max(0, Math.min(whole - length, middle - length / 2)));
  return { ...view, left: place((left + right) / 2, view.width, width), top: place((top + bottom) / 2, view.height, height) };
}

/** All in pixels of the picture: left, top, right, bottom. */
interface Marks {
  readonly boxes: readonly FoundBox[];
  readonly patches: readonly (readonly number[])[];
  readonly regions: readonly (readonly number[])[];
  readonly lost: readonly (readonly number[])[];
}

async function drawPanel(picture: PictureFile, view: View, marks: Marks): Promise<Uint8Array> {
  const { size } = picture;
  const scale = PANEL_WIDTH_PX / view.width;
  const shown: Size = { width: PANEL_WIDTH_PX, height: Math.round(view.height * scale) };
  const part = await sharp(await readPicture(picture), { raw: { ...size, channels: 3 } })
    .extract(view)
    .resize({ ...shown, fit: 'fill' })
    .raw()
    .toBuffer();
  return sharp(part, { raw: { ...shown, channels: 3 } })
    .composite([{ input: Buffer.from(overlay(shown, view, scale, marks)) }])
    .jpeg({ quality: JPEG_QUALITY })
    .toBuffer();
}

/** What the marks mean, for captions. */
export const LEGEND = 'Green: boxes at the threshold (broken: recovered by the guard, with score). Red, broken: found in the clean picture, lost here. Yellow: where a patch is. Magenta: where the guard found one.';

function overlay({ width, height }: Size, view: View, scale: number, { boxes, patches, regions, lost }: Marks): string {
  const toX = (x: number): number => (x - view.left) * scale;
  const toY = (y: number): number => (y - view.top) * scale;
  const rect = ([left, top, right, bottom]: readonly number[], style: string): string =>
    `<rect x="${toX(left!).toFixed(1)}" y="${toY(top!).toFixed(1)}" width="${((right! - left!) * scale).toFixed(1)}" height="${((bottom! - top!) * scale).toFixed(1)}" fill="none" ${style}/>`;
  const label = ({ xyxy: [left, top], score }: FoundBox): string =>
    `<text x="${(toX(left) + 2).toFixed(1)}" y="${Math.max(10, toY(top) - 2).toFixed(1)}" fill="#3ddc64" stroke="#000" stroke-width="2" paint-order="stroke">${score.toFixed(2)}</text>`;
  const marks = [
    ...lost.map((xyxy) => rect(xyxy, 'stroke="#ff3b30" stroke-width="2" stroke-dasharray="5 3"')),
    ...boxes.map(({ xyxy, recovered }) => rect(xyxy, `stroke="#3ddc64" stroke-width="2"${recovered ? ' stroke-dasharray="6 3"' : ''}`)),
    ...patches.map((xyxy) => rect(xyxy, 'stroke="#ffd60a" stroke-width="1.5"')),
    ...regions.map((xyxy) => rect(xyxy, 'stroke="#ff2bd6" stroke-width="1.5"')),
    ...boxes.map(label),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="10">${marks.join('')}</svg>`;
}
