import { open, stat } from 'node:fs/promises';
import { AppError, type ErrorCode, systemErrorCode } from '../core/errors.js';
import type { Size } from '../core/size.js';
import { classifyFfmpeg } from './classify.js';
import { beginsLikeMp4 } from './container-length.js';
import { runFfprobe } from './ffmpeg.js';
import { redact } from './redact.js';

/** What a video file says of itself. */
export interface VideoProbe {
  /** Frames by the container's own index; undefined where it has none (Matroska, transport streams). */
  readonly frameCount: number | undefined;
  /** When the recording began, by its `creation_time`; undefined where it doesn't say. */
  readonly createdEpochMs: number | undefined;
  /** Of its pictures as they are shown, pixels; undefined where only ffmpeg itself can tell. */
  readonly size: Size | undefined;
}

/** Clocks that were never set write the epoch of MP4 (1904) or Unix. */
const FIRST_PLAUSIBLE_EPOCH_MS = Date.UTC(1990, 0);

/** What can be wrong with a file; ffmpeg's words about connections (`End of file`) only mean that there is no video in it. */
const FILE_FAULTS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['ERR_SOURCE_FORMAT', 'ERR_SOURCE_CODEC', 'ERR_SOURCE_TRUNCATED']);

/**
 * Looks into a video file.
 *
 * @throws AppError ERR_FILE_NOT_FOUND, ERR_SOURCE_FORMAT (not a video), ERR_SOURCE_CODEC, ERR_SOURCE_TRUNCATED (its index is missing).
 */
export async function probeVideo(path: string): Promise<VideoProbe> {
  await checkIsFile(path);
  const facts = await ffprobe(path);
  if (!facts) return { frameCount: undefined, createdEpochMs: undefined, size: undefined };
  const { streams } = facts;
  const video = streams.find((stream) => stream.codec_type === 'video' && stream.disposition?.['attached_pic'] !== 1);
  if (!video) {
    throw new AppError('ERR_SOURCE_FORMAT', `Expected a video in ${path} but found ${streams.map((stream) => stream.codec_type).join(', ') || 'nothing'}.`, {
      fix: 'Name a video, not a sound recording or a subtitle file.',
    });
  }
  const frameCount = Number(video.nb_frames);
  const tags = video['tags'] as Readonly<Record<string, string>> | undefined;
  const created = Date.parse(tags?.['creation_time'] ?? '');
  const { width, height, rotation } = video;
  return {
    size: width && height ? shownSize({ width, height }, Number(rotation ?? 0)) : undefined,
    frameCount: frameCount > 0 ? frameCount : undefined,
    createdEpochMs: created >= FIRST_PLAUSIBLE_EPOCH_MS ? created : undefined,
  };
}

/** ffmpeg turns pictures upright before all else. */
function shownSize({ width, height }: Size, rotationDegrees: number): Size {
  return Math.abs(rotationDegrees) % 180 === 90 ? { width: height, height: width } : { width, height };
}

async function checkIsFile(path: string): Promise<void> {
  try {
    const facts = await stat(path);
    if (facts.isDirectory()) {
      throw new AppError('ERR_SOURCE_FORMAT', `Expected a video file but ${path} is a folder.`, { fix: 'Name the file, or use the folder as a dataset.' });
    }
    if (facts.size === 0) throw new AppError('ERR_SOURCE_FORMAT', `Expected a video but ${path} is empty.`, { fix: 'Copy or record it again.' });
    await (await open(path)).close();
  } catch (error) {
    if (error instanceof AppError) throw error;
    const reason = systemErrorCode(error) === 'EACCES' ? 'it may not be read' : 'there is none';
    throw new AppError('ERR_FILE_NOT_FOUND', `Expected a video file at ${path} but ${reason}.`, { cause: error, fix: 'Check the path and its permissions.' });
  }
}

/** Undefined where ffprobe itself crashed, as the packaged one does with transport streams: ffmpeg may read the file all the same. */
async function ffprobe(path: string): Promise<Awaited<ReturnType<typeof runFfprobe>> | undefined> {
  try {
    return await runFfprobe(`file:${path}`, ['-hide_banner', '-loglevel', 'repeat+level+error']);
  } catch (error) {
    if (error instanceof AppError) throw error;
    const message = error instanceof Error ? error.message : '';
    if (message.startsWith('ffprobe was killed')) return undefined;
    const lines = redact(message).replace(/\[error\] /g, '').trim().split('\n');
    const classified = classifyFfmpeg(lines, path);
    if (classified && FILE_FAULTS.has(classified.code) && !(await isOnlyNamedMp4(classified, path))) throw classified;
    throw new AppError('ERR_SOURCE_FORMAT', `Expected a video in ${path} but ffprobe cannot read it (${lines.at(-1) ?? 'no details'}).`, {
      cause: error,
      fix: 'Check that it plays with ffplay or VLC.',
    });
  }
}

async function isOnlyNamedMp4({ code }: AppError, path: string): Promise<boolean> {
  return code === 'ERR_SOURCE_TRUNCATED' && !(await beginsLikeMp4(path));
}
