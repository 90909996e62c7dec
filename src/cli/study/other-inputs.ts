import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, extname, join } from 'node:path';
import sharp from 'sharp';
import type { SourceDefinition } from '../../config/stream-definition.js';
import { isFault } from '../../sources/dataset/dataset.js';
import { readDataset } from '../../sources/dataset/read-dataset.js';
import { runFfprobe } from '../../sources/ffmpeg.js';
import { runFfmpeg } from '../../sources/run-ffmpeg.js';

/** A run sees no more of its input than this. */
const MOST_FRAMES = 450;
const MOST_PICTURES = 150;
/** Nearly lossless, so that scaled pictures and extracted ones are not simpler than they look. */
const CRF = '12';
const JPEG_QUALITY = 95;
const FFMPEG_JPEG_QUALITY = '2';

/** The user's input in other forms, made once before a study: smaller, or as a folder of pictures. */
export class OtherInputs {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async create(): Promise<OtherInputs> {
    return new OtherInputs(await mkdtemp(join(tmpdir(), 'lynceus-study-')));
  }

  /**
   * The begin of a file, or the first pictures of a folder, with sides of so much.
   *
   * @param factor 0 to 1. @throws AppError of what can't be read or written
   */
  async scaled(source: Extract<SourceDefinition, { kind: 'file' | 'dataset' }>, factor: number): Promise<SourceDefinition> {
    return source.kind === 'file' ? { ...source, path: await this.#scaledVideo(source.path, factor) } : this.#scaledPictures(source, factor);
  }

  /** The begin of a video as a folder of JPEG pictures with the video's frame rate. */
  async pictures(path: string): Promise<SourceDefinition> {
    const folder = join(this.#folder, `${basename(path, extname(path))}-pictures`);
    await mkdir(folder);
    const target = join(folder.replaceAll('%', '%%'), '%06d.jpg');
    await runFfmpeg({ inputOptions: [], input: `file:${path}`, options: ['-map', '0:V:0', '-frames:v', String(MOST_PICTURES), '-q:v', FFMPEG_JPEG_QUALITY], target }, path);
    return { kind: 'dataset', path: folder, frameRateFps: await frameRateOf(path) };
  }

  async close(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #scaledVideo(path: string, factor: number): Promise<string> {
    const target = join(this.#folder, `${basename(path, extname(path))}-${factor}.mp4`);
    // Even sides: 4:2:0 has half as many samples of colour.
    const scale = `scale=w=max(2\\,2*floor(iw*${factor}/2)):h=max(2\\,2*floor(ih*${factor}/2)),format=yuv420p`;
    const encoder = ['-c:v', 'libx264', '-preset', 'veryfast', '-crf', CRF, '-movflags', '+faststart'];
    await runFfmpeg({ inputOptions: [], input: `file:${path}`, options: ['-map', '0:V:0', '-frames:v', String(MOST_FRAMES), '-vf', scale, ...encoder], target }, path);
    return target;
  }

  async #scaledPictures({ path, frameRateFps }: Extract<SourceDefinition, { kind: 'dataset' }>, factor: number): Promise<SourceDefinition> {
    const dataset = await readDataset(path);
    const folder = join(this.#folder, `pictures-${factor}`);
    await mkdir(folder);
    const readable = dataset.images.flatMap(({ picture }) => (isFault(picture) ? [] : [picture])).slice(0, MOST_PICTURES);
    for (const [i, { path: from, orientation, size }] of readable.entries()) {
      const upright = orientation === 1 ? sharp(from) : sharp(from).rotate();
      const scaled = upright.resize({ width: Math.max(1, Math.round(size.width * factor)) });
      await scaled.jpeg({ quality: JPEG_QUALITY }).toFile(join(folder, `${String(i).padStart(6, '0')}.jpg`));
    }
    // A recording stays one: its pictures follow each other.
    const rate = frameRateFps ?? dataset.frameRateFps;
    return { kind: 'dataset', path: folder, ...(rate === undefined ? {} : { frameRateFps: rate }) };
  }
}

const USUAL_RATE_FPS = 25;

async function frameRateOf(path: string): Promise<number> {
  const { streams } = await runFfprobe(`file:${path}`, ['-select_streams', 'V:0']);
  const [frames = NaN, seconds = 1] = (streams[0]?.avg_frame_rate ?? '').split('/').map(Number);
  const rate = frames / seconds;
  return Number.isFinite(rate) && rate > 0 ? rate : USUAL_RATE_FPS;
}
