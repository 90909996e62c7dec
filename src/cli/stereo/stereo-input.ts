import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { CameraDefinition, StereoDefinition } from '../../config/stream-definition.js';
import { AppError } from '../../core/errors.js';
import type { FrameFormat } from '../../core/frame.js';
import type { FramePool } from '../../core/frame-pool.js';
import type { Size } from '../../core/size.js';
import type { Source } from '../../core/source.js';
import type { StereoSource } from '../../core/stereo-source.js';
import { gridOf, type VoxelGrid } from '../../core/voxel-grid.js';
import type { StereoCalibration } from '../../occupancy/calibration/calibration.js';
import { parseCalibration } from '../../occupancy/calibration/parse-calibration.js';
import { isFault } from '../../sources/dataset/dataset.js';
import { createFileSource } from '../../sources/file-source.js';
import { createNetworkSource } from '../../sources/network-source.js';
import { probeVideo } from '../../sources/probe.js';
import { leftFramesOf } from '../../sources/stereo/left-frames.js';
import { readStereoFolder } from '../../sources/stereo/read-stereo-folder.js';
import { createStereoSource } from '../../sources/stereo/stereo-source.js';
import { optional } from '../optional.js';

/** How far cars are of interest to StereoVoxelNet: metres. */
const DEFAULT_RANGE_M = 32;
/** Wider pictures are made smaller by ffmpeg: the network sees 880 columns. */
const MOST_COLUMNS = 960;
/** Left frames of a live pair that may wait for their partners. */
const WAITING_FRAMES = 4;

/** What is known of a stereo source before it is opened. */
export interface StereoInput {
  /** Of the frames of both sides. */
  readonly format: FrameFormat;
  readonly calibration: StereoCalibration;
  readonly grid: VoxelGrid;
  /** Pairs of one pass of a recording, where it says so. */
  readonly passLength: number | undefined;
}

/**
 * Looks at a stereo source's pictures and calibration.
 *
 * @throws AppError ERR_CALIBRATION_FORMAT, _SIZE, _LENS, _DISTORTION, _BASELINE; ERR_STEREO_SIZES where recordings have different sizes, and what `probeVideo` and `readStereoFolder` throw.
 */
export async function readStereoInput(source: StereoDefinition): Promise<StereoInput> {
  const { size, passLength } = await picturesOf(source);
  const calibration = await readCalibration(source, size);
  const { rangeM = DEFAULT_RANGE_M, bottomM } = source;
  return { format: { size: frameSizeOf(size ?? calibration.rig.size), fit: 'stretch', padValue: 0 }, calibration, grid: gridOf(rangeM, bottomM), passLength };
}

/** Of the frames that are made of pictures: no wider than 960, of even sides. */
export function frameSizeOf({ width, height }: Size): Size {
  const even = (side: number): number => Math.max(2, 2 * Math.round(side / 2));
  const columns = even(Math.min(width, MOST_COLUMNS));
  return { width: columns, height: even((height * columns) / width) };
}

interface Pictures {
  /** Undefined where only the first frame will tell. */
  readonly size: Size | undefined;
  readonly passLength: number | undefined;
}

async function picturesOf({ left, right, path, layout, pictureSize }: StereoDefinition): Promise<Pictures> {
  if (path !== undefined) return (await isFolder(path)) ? folderPictures(path) : sideBySidePictures(path, layout);
  const sides = await Promise.all([left, right].map(cameraPictures));
  const [l, r] = sides.map(({ size }) => size);
  if (l && r && (l.width !== r.width || l.height !== r.height)) {
    throw new AppError('ERR_STEREO_SIZES', `Expected two videos of one size but the left one has ${l.width} x ${l.height} pixels, the right one ${r.width} x ${r.height}.`, {
      fix: 'Set both cameras to the same size; a calibration is for one.',
    });
  }
  return { size: l ?? r ?? pictureSize, passLength: sides[0]!.passLength };
}

async function cameraPictures(camera: CameraDefinition | undefined): Promise<Pictures> {
  if (camera?.kind !== 'file') return { size: undefined, passLength: undefined };
  const { size, frameCount } = await probeVideo(camera.path);
  return { size, passLength: frameCount };
}

async function sideBySidePictures(path: string, layout: StereoDefinition['layout'] = 'left-right'): Promise<Pictures> {
  const { size, frameCount } = await probeVideo(path);
  const isBeside = layout === 'left-right' || layout === 'right-left';
  const half = size && (isBeside ? { ...size, width: Math.floor(size.width / 2) } : { ...size, height: Math.floor(size.height / 2) });
  return { size: half, passLength: frameCount };
}

async function folderPictures(path: string): Promise<Pictures> {
  const { pairs } = await readStereoFolder(path);
  const whole = pairs.flatMap(({ left }) => (left && !isFault(left) ? [left.size] : []));
  return { size: whole[0], passLength: pairs.length };
}

async function readCalibration({ calibration, unit }: StereoDefinition, size: Size | undefined): Promise<StereoCalibration> {
  const paths = typeof calibration === 'string' ? [calibration] : calibration;
  const files = await Promise.all(paths.map(async (path) => ({ name: basename(path), text: await readText(path) })));
  return parseCalibration(files, { ...(size && { pictureSize: size }), ...(unit && { unit }) });
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new AppError('ERR_FILE_NOT_FOUND', `Expected a calibration at ${path} but it can't be read.`, { cause, fix: 'Check the path: it counts from the folder of the stream file.' });
  }
}

/** Pools of a stereo source: one, or one for each side where both come by themselves. */
export function stereoPoolSizes({ path, left }: StereoDefinition, framesInWork: number): readonly number[] {
  if (path !== undefined) return [2 * framesInWork];
  const each = framesInWork + (left?.kind === 'file' ? 0 : WAITING_FRAMES);
  return [each, each];
}

/** Opens a stereo source as one of left frames that carry the right ones. @throws AppError as the kinds of sources */
export async function openStereoSource(name: string, source: StereoDefinition, format: FrameFormat, pools: readonly FramePool[]): Promise<Source> {
  return leftFramesOf(await openPairs(name, source, format, pools));
}

async function openPairs(name: string, source: StereoDefinition, format: FrameFormat, [pool, rightPool]: readonly FramePool[]): Promise<StereoSource> {
  const { path, layout, toleranceMs, pairBy, realtime, loop, frameRateFps } = source;
  if (path !== undefined) {
    const common = { name, format, pool: pool!, ...optional({ realtime, loop }) };
    return (await isFolder(path))
      ? createStereoSource({ kind: 'folder', ...common, folder: path, ...optional({ frameRate: frameRateFps }) })
      : createStereoSource({ kind: 'side-by-side', ...common, path, ...optional({ layout }) });
  }
  const open = (side: 'left' | 'right', sidePool: FramePool): Promise<Source> => openCamera(`${name}.${side}`, source[side]!, { format, pool: sidePool, ...optional({ realtime, loop }) });
  const [left, right] = [await open('left', pool!), await open('right', rightPool!)];
  return createStereoSource({ kind: 'pair', name, left, right, maxWaiting: WAITING_FRAMES, ...optional({ toleranceMs, pairBy }) });
}

interface CameraSettings {
  readonly format: FrameFormat;
  readonly pool: FramePool;
  readonly realtime?: boolean;
  readonly loop?: boolean;
}

async function openCamera(name: string, camera: CameraDefinition, settings: CameraSettings): Promise<Source> {
  if (camera.kind === 'file') return createFileSource({ name, path: camera.path, ...settings });
  const { url, transport, stallTimeoutMs, frozenTimeoutMs } = camera;
  const { format, pool } = settings;
  return createNetworkSource({ name, url, format, pool, ...optional({ transport, stallTimeoutMs, frozenTimeoutMs }) });
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}
