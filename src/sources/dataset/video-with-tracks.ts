import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { AppError } from '../../core/errors.js';
import { findFfmpeg, runFfprobe } from '../ffmpeg.js';
import { createPrivateFolder, removePrivateFolder } from '../private-folder.js';
import { probeVideo } from '../probe.js';
import { runFfmpeg } from '../run-ffmpeg.js';
import type { Dataset } from './dataset.js';
import { invalid, isFile, isFolder, readInteger, readRows, readText } from './dataset-files.js';
import { readMot } from './mot.js';
import { readDataset } from './read-dataset.js';

/** A video and where its objects are, as MOTChallenge writes it. */
export interface VideoWithTracks {
  readonly video: string;
  /** `gt.txt`; frame 1 is the first of the video. */
  readonly truth: string;
}

/** A dataset that may have been made for the occasion. */
export interface OpenedDataset {
  readonly dataset: Dataset;
  /** The video that its pictures are of. */
  readonly video: string | undefined;
  /** Removes what was made for it; the end of the process does so too. */
  close(): void;
}

export interface OpenOptions {
  /** Ground truth of a video; `gt.txt` beside it where absent. */
  readonly truth?: string | undefined;
  /** Called where frames are taken out of a video first. */
  readonly onExtract?: (frames: number) => void;
}

const TRUTH_FILE = 'gt.txt';
const VIDEO_NAME = /\.(?:avi|mp4|m4v|mov|mkv|webm|ts|mpe?g)$/i;
/** With less of its boxes in the picture it is another video's truth. */
const LEAST_SHARE_INSIDE = 0.5;
/** Packing frames takes ten times as long as writing them: it is done where they would fill too much of the disk. */
const MOST_UNCOMPRESSED_BYTES = 1e9;

/**
 * Opens pictures with their ground truth: a dataset's folder, a video with `gt.txt`, or a folder with one video and its `gt.txt`.
 *
 * @throws AppError ERR_FILE_NOT_FOUND, ERR_USAGE (a truth for a folder), and as `readDataset` and `extractVideo`.
 */
export async function openDataset(path: string, { truth, onExtract }: OpenOptions = {}): Promise<OpenedDataset> {
  const found = await videoWithTruth(path, truth);
  if (found) return extractVideo(found, onExtract);
  if (truth !== undefined) throw new AppError('ERR_USAGE', `Expected a video for the ground truth ${truth} but ${path} is a dataset with its own.`);
  return { dataset: await readDataset(path), video: undefined, close: () => undefined };
}

/** A video and its ground truth, by the name of the video or of a folder with both; undefined for a folder of pictures. @throws AppError ERR_DATASET_INVALID (several videos) */
export async function videoWithTruth(path: string, truth?: string): Promise<VideoWithTracks | undefined> {
  return (await isFolder(path)) ? videoInFolder(path, truth) : { video: path, truth: truth ?? join(dirname(path), TRUTH_FILE) };
}

/** A folder that holds one video beside its truth, and isn't a dataset of pictures. */
async function videoInFolder(folder: string, truth = join(folder, TRUTH_FILE)): Promise<VideoWithTracks | undefined> {
  const videos = (await readdir(folder)).filter((name) => VIDEO_NAME.test(name)).sort();
  if (videos.length === 0 || !(await isFile(truth))) return undefined;
  if (videos.length > 1) throw invalid(folder, `expected one video beside ${basename(truth)} but found ${videos.length} (${videos.join(', ')})`, 'Name the video, and its ground truth.');
  return { video: join(folder, videos[0]!), truth };
}

/**
 * Takes the frames that have ground truth (the first to the last that it names, those without objects too) out of a video, lossless, into a
 * temporary folder in MOTChallenge's layout.
 *
 * @throws AppError ERR_FILE_NOT_FOUND, ERR_DATASET_EMPTY (no boxes), ERR_DATASET_INVALID (the truth is another video's), ERR_SOURCE_FORMAT,
 * ERR_SOURCE_CODEC, ERR_FFMPEG_MISSING, ERR_FFMPEG_FAILED.
 */
export async function extractVideo({ video, truth }: VideoWithTracks, onExtract?: (frames: number) => void): Promise<OpenedDataset> {
  const frames = await lastFrame(video, truth);
  const { frameCount } = await probeVideo(resolve(video));
  if (frameCount !== undefined && frames > frameCount) throw tooShort(truth, frames, video, frameCount);
  const facts = await videoFacts(video);
  onExtract?.(frames);
  const folder = createPrivateFolder();
  const close = (): void => removePrivateFolder(folder);
  try {
    const sequence = join(folder, basename(video, extname(video)));
    await mkdir(join(sequence, 'img1'), { recursive: true });
    await mkdir(join(sequence, 'gt'));
    await copyFile(truth, join(sequence, 'gt', TRUTH_FILE));
    await writeFrames({ video, frames, folder: join(sequence, 'img1'), compressed: frames * facts.frameBytes > MOST_UNCOMPRESSED_BYTES });
    const written = (await readdir(join(sequence, 'img1'))).length;
    if (written < frames) throw tooShort(truth, frames, video, written);
    await writeFile(join(sequence, 'seqinfo.ini'), `[Sequence]\nimDir=img1\nseqLength=${frames}\nframeRate=${facts.frameRateFps}\nimExt=.png\n`);
    const dataset = await readMot(sequence);
    checkInside(dataset, truth, video);
    return { dataset, video, close };
  } catch (error) {
    close();
    throw error;
  }
}

async function writeFrames({ video, frames, folder, compressed }: ExtractTask): Promise<void> {
  const { libavformat } = findFfmpeg();
  // Renamed in ffmpeg 5.1: frames as they come, none twice and none left out.
  const everyFrame = libavformat.major > 59 || (libavformat.major === 59 && libavformat.minor >= 27) ? '-fps_mode' : '-vsync';
  await runFfmpeg(
    {
      inputOptions: [],
      input: `file:${resolve(video)}`,
      options: ['-map', '0:V:0', everyFrame, 'passthrough', '-frames:v', `${frames}`, '-pix_fmt', 'rgb24', '-c:v', 'png', '-compression_level', compressed ? '1' : '0', '-pred', 'none', '-f', 'image2', '-start_number', '1'],
      target: join(folder.replaceAll('%', '%%'), '%06d.png'),
    },
    video,
  );
}

interface ExtractTask {
  readonly video: string;
  readonly frames: number;
  readonly folder: string;
  readonly compressed: boolean;
}

async function lastFrame(video: string, truth: string): Promise<number> {
  const text = await readText(truth);
  if (text === undefined) {
    throw new AppError('ERR_FILE_NOT_FOUND', `Expected the ground truth of ${video} at ${truth} but there is none.`, { fix: 'Name it with --gt: a gt.txt as MOTChallenge writes it.' });
  }
  const frames = readRows(text, truth, /\s*,\s*/).map((row) => readInteger(row, 0, 'the frame', 1));
  if (frames.length === 0) throw new AppError('ERR_DATASET_EMPTY', `${truth} has no box.`);
  return frames.reduce((most, frame) => Math.max(most, frame), 1);
}

interface VideoFacts {
  readonly frameRateFps: number;
  /** Bytes of one frame, three a pixel. */
  readonly frameBytes: number;
}

async function videoFacts(video: string): Promise<VideoFacts> {
  const { streams } = await runFfprobe(`file:${resolve(video)}`, ['-hide_banner']);
  const stream = streams.find(({ codec_type: type }) => type === 'video');
  const rates = [stream?.avg_frame_rate, stream?.r_frame_rate].map((text) => {
    const [frames, seconds] = (text ?? '').split('/').map(Number);
    return frames! / (seconds ?? 1);
  });
  const frameRateFps = rates.find((rate) => Number.isFinite(rate) && rate > 0);
  if (frameRateFps === undefined) throw new AppError('ERR_SOURCE_FORMAT', `${video} doesn't say how many frames it has a second.`);
  return { frameRateFps, frameBytes: 3 * (stream?.width ?? 0) * (stream?.height ?? 0) };
}

function checkInside({ boxes, images }: Dataset, truth: string, video: string): void {
  const { width, height } = images[0]!.size!;
  const inside = boxes.filter(({ xywh: [left, top, boxWidth, boxHeight] }) => left < width && top < height && left + boxWidth > 0 && top + boxHeight > 0).length;
  if (inside < LEAST_SHARE_INSIDE * boxes.length) throw invalid(truth, `${boxes.length - inside} of ${boxes.length} boxes lie outside of the ${width} x ${height} pixels of ${video}`, 'Boxes are in pixels: name the ground truth of this very video.');
}

function tooShort(truth: string, frames: number, video: string, found: number): AppError {
  return invalid(truth, `it has boxes in frame ${frames} but ${video} has ${found} frames`, 'Name the ground truth of this very video.');
}
