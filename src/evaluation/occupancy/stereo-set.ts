import { join } from 'node:path';
import type { CalibrationFile } from '../../occupancy/calibration/calibration.js';
import { parseCalibration } from '../../occupancy/calibration/parse-calibration.js';
import { checkRig } from '../../occupancy/calibration/plausible.js';
import { AppError, toAppError } from '../../core/errors.js';
import type { Size } from '../../core/size.js';
import { scaleRig, type StereoRig } from '../../core/stereo-rig.js';
import { isFault, type Picture, type PictureFile } from '../../sources/dataset/dataset.js';
import { compareNames, folderNames, inspectPictures, isFile, isFolder, readText } from '../../sources/dataset/dataset-files.js';
import { readStereoFolder } from '../../sources/stereo/read-stereo-folder.js';

/** A pair of rectified pictures, their rig, and where the truth about them lies. */
export interface StereoPair {
  readonly id: string;
  readonly left: string;
  readonly right: string;
  /** A picture of disparities (`readDisparity`). */
  readonly disparity: string;
  /** Values a pixel of it, where it has 8 bits. */
  readonly disparityScale: number;
  readonly rig: StereoRig;
  /** Where there is no calibration and the rig is what was assumed. */
  readonly isRigAssumed: boolean;
}

export interface StereoSet {
  readonly layout: 'kitti' | 'middlebury';
  /** With truth, in order of their names. */
  readonly pairs: readonly StereoPair[];
  /** Those that can't be used. */
  readonly broken: readonly BrokenPair[];
}

/** A pair that can't be scored, and why. */
export interface BrokenPair {
  readonly id: string;
  readonly error: AppError;
}

/** What is taken for true where a folder has no calibration; each of a set's pairs then has the same. */
export interface AssumedRig {
  /** Of the pictures as they lie there. */
  readonly focalPx: number;
  readonly baselineM: number;
  /** Column of the right axis less that of the left one, pixels; 0 where absent. */
  readonly centreShiftPx?: number;
}

export interface StereoSetOptions {
  readonly assumed?: AssumedRig | undefined;
  /** Values a pixel of disparities of 8 bits, where the layout's own isn't right. */
  readonly disparityScale?: number | undefined;
}

/**
 * Finds the pairs with true disparity in a folder.
 *
 * KITTI: `image_2`, `image_3` (or another pair of `readStereoFolder`), `disp_occ_0` (`disp_occ`, `disp_noc_0`), calibration of each
 * pair in `calib/NAME.txt` or `calib_cam_to_cam/NAME.txt`, or of all in a file of that name. Middlebury: a scene or a folder of scenes,
 * each with `im0` and `im1`, `view1` and `view5`, or `im2` and `im6`, the left one's disparity, and `calib.txt`.
 *
 * A pair that is broken or has no calibration is told and left out.
 *
 * @throws AppError ERR_FILE_NOT_FOUND, ERR_DATASET_INVALID, ERR_DATASET_EMPTY; where all pairs are broken, what is wrong with the first
 */
export async function readStereoSet(folder: string, options: StereoSetOptions = {}): Promise<StereoSet> {
  if (!(await isFolder(folder))) throw new AppError('ERR_FILE_NOT_FOUND', `Expected a folder of stereo pairs at ${folder} but there is none.`, { fix: 'Check the path.' });
  const truth = await firstOf(KITTI_TRUTH.map((name) => join(folder, name)), isFolder);
  const found = truth === undefined ? await middleburyPairs(folder, options) : await kittiPairs(folder, truth, options);
  const broken = found.filter((pair) => 'error' in pair);
  const pairs = found.filter((pair): pair is StereoPair => !('error' in pair));
  if (pairs.length > 0) return { layout: truth === undefined ? 'middlebury' : 'kitti', pairs, broken };
  throw broken[0]?.error ?? new AppError('ERR_DATASET_EMPTY', `${folder} has no stereo pairs with true disparity.`, { fix: 'Give a folder in the layout of KITTI (image_2, image_3, disp_occ_0) or Middlebury (im0, im1, disp0).' });
}

const KITTI_TRUTH = ['disp_occ_0', 'disp_occ', 'disp_noc_0', 'disp_noc'];
const KITTI_CALIBRATION = ['calib', 'calib_cam_to_cam'];

async function kittiPairs(folder: string, truth: string, options: StereoSetOptions): Promise<(StereoPair | BrokenPair)[]> {
  const found: (StereoPair | BrokenPair)[] = [];
  for (const { fileName, left, right } of (await readStereoFolder(folder)).pairs) {
    const id = fileName.replace(/\.\w+$/, '');
    const disparity = join(truth, `${id}.png`);
    // Pictures of the next moment (`_11`) have no truth.
    if (!left || !right || !(await isFile(disparity))) continue;
    found.push(await orBroken(id, () => kittiPair(folder, id, disparity, left, right, options)));
  }
  return found;
}

async function kittiPair(folder: string, id: string, disparity: string, left: Picture, right: Picture, options: StereoSetOptions): Promise<StereoPair> {
  const { size } = readable(left);
  readable(right);
  const frame = id.replace(/_\d+$/, '');
  const places = KITTI_CALIBRATION.flatMap((calib) => [join(folder, calib, `${id}.txt`), join(folder, calib, `${frame}.txt`), join(folder, `${calib}.txt`)]);
  const calibration = await firstOf(places, isFile);
  return { id, left: left.path, right: right.path, disparity, disparityScale: 1, ...(await rigFor(calibration, size, options, folder)) };
}

/** One broken pair doesn't keep the others from being read. */
async function orBroken<Found>(id: string, read: () => Promise<Found>): Promise<Found | BrokenPair> {
  try {
    return await read();
  } catch (error) {
    return { id, error: toAppError(error) };
  }
}

/** Pictures, their disparity and the values a pixel that it has in 8 bits (Middlebury's pages of 2001 to 2014). */
const MIDDLEBURY_SCENES: readonly { readonly left: string; readonly right: string; readonly disparity: readonly string[]; readonly scale: (width: number) => number }[] = [
  { left: 'im0', right: 'im1', disparity: ['disp0.pfm', 'disp0GT.pfm', 'disp0.png'], scale: () => 1 },
  // 2005 and 2006: full size, or a half or third of it.
  { left: 'view1', right: 'view5', disparity: ['disp1.png'], scale: (width) => (width > 1000 ? 1 : width > 550 ? 2 : 3) },
  { left: 'im2', right: 'im6', disparity: ['disp2.png', 'disp2.pfm'], scale: (width) => (width > 1000 ? 1 : width > 600 ? 2 : 4) },
];
const PICTURE_ENDINGS = ['.png', '.ppm', '.jpg', '.pgm'];

async function middleburyPairs(folder: string, options: StereoSetOptions): Promise<(StereoPair | BrokenPair)[]> {
  const scenes = ['.', ...(await folderNames(folder)).sort(compareNames)];
  const pairs = await Promise.all(
    scenes.map((scene) => {
      const id = scene === '.' ? 'scene' : scene;
      return orBroken(id, () => middleburyPair(join(folder, scene), id, options));
    }),
  );
  return pairs.filter((pair) => pair !== undefined);
}

async function middleburyPair(folder: string, id: string, options: StereoSetOptions): Promise<StereoPair | undefined> {
  for (const scene of MIDDLEBURY_SCENES) {
    const [left, right] = await Promise.all([scene.left, scene.right].map((name) => firstOf(PICTURE_ENDINGS.map((ending) => join(folder, name + ending)), isFile)));
    const disparity = await firstOf(scene.disparity.map((name) => join(folder, name)), isFile);
    if (left === undefined || right === undefined || disparity === undefined) continue;
    const [size, other] = await sizesOf([left, right]);
    if (size.width !== other.width || size.height !== other.height) throw new AppError('ERR_DATASET_INVALID', `${folder}: expected pictures of one size but found ${size.width} x ${size.height} and ${other.width} x ${other.height}.`);
    const calibration = await firstOf([join(folder, 'calib.txt')], isFile);
    return { id, left, right, disparity, disparityScale: options.disparityScale ?? scene.scale(size.width), ...(await rigFor(calibration, size, options, folder)) };
  }
  return undefined;
}

async function sizesOf(paths: readonly [string, string]): Promise<[Size, Size]> {
  const pictures = await inspectPictures(paths.map((path) => ({ path, turning: 'stored' })));
  return pictures.map((picture) => readable(picture).size) as [Size, Size];
}

function readable(picture: Picture): PictureFile {
  if (!isFault(picture)) return picture;
  throw new AppError('ERR_DATASET_INVALID', `${picture.path} cannot be decoded.`, { fix: 'Replace the file.' });
}

async function rigFor(calibration: string | undefined, size: Size, { assumed }: StereoSetOptions, folder: string): Promise<Pick<StereoPair, 'rig' | 'isRigAssumed'>> {
  if (calibration !== undefined) {
    const file: CalibrationFile = { name: calibration, text: (await readText(calibration)) ?? '' };
    return { rig: scaleRig(parseCalibration([file], { pictureSize: size }).rig, size), isRigAssumed: false };
  }
  if (!assumed) {
    throw new AppError('ERR_DATASET_INVALID', `${folder} has no calibration.`, { fix: 'Put its calib.txt there, or say what to assume: focal length (pixels) and baseline (metres).' });
  }
  const { focalPx, baselineM, centreShiftPx = 0 } = assumed;
  const centre = { x: (size.width - 1) / 2, y: (size.height - 1) / 2 };
  return { rig: checkRig({ size, focalPx, baselineM, centre, centreShiftPx }, 'assumed rig'), isRigAssumed: true };
}

async function firstOf(paths: readonly string[], isThere: (path: string) => Promise<boolean>): Promise<string | undefined> {
  for (const path of paths) if (await isThere(path)) return path;
  return undefined;
}
