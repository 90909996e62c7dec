import { AppError } from '../core/errors.js';
import type { FfmpegBinaries } from './find-ffmpeg.js';
import { redactUrl } from './redact.js';

export type Transport = 'tcp' | 'udp';

const RTSP_SCHEMES = new Set(['rtsp', 'rtsps']);
const HTTP_SCHEMES = new Set(['http', 'https']);
const OTHER_SCHEMES = new Set(['rtmp', 'rtmps', 'udp', 'rtp', 'srt', 'tcp']);

/** How much ffmpeg reads before it decides what a stream is. Cameras say it in their session description and first keyframe. */
const PROBE_BYTES = 1_000_000;
const ANALYZE_US = 1_000_000;
/** Over UDP a packet that is missing is waited for so long: more is felt as latency at each loss. */
const MAX_REORDER_DELAY_US = 100_000;

/** @throws AppError ERR_CONFIG_INVALID where the address isn't one of a stream. */
export function schemeOf(url: string): string {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\/[^\s]/i.exec(url)?.[1]?.toLowerCase();
  if (scheme && (RTSP_SCHEMES.has(scheme) || HTTP_SCHEMES.has(scheme) || OTHER_SCHEMES.has(scheme))) return scheme;
  throw new AppError('ERR_CONFIG_INVALID', `Expected the address of a stream but found ${redactUrl(url)}.`, {
    fix: 'Write rtsp://, rtsps://, http://, https://, rtmp://, udp://, rtp:// or srt:// and the host.',
  });
}

export interface NetworkInput {
  readonly url: string;
  readonly transport: Transport;
  /** A socket that is silent for so long is given up by ffmpeg itself, also where we are dead and can't tell it. */
  readonly ioTimeoutMs: number;
}

/** Options before `-i` for a live network stream: little buffering, and the names that this ffmpeg has for them. */
export function networkInputOptions({ url, transport, ioTimeoutMs }: NetworkInput, { libavformat }: FfmpegBinaries): string[] {
  const scheme = schemeOf(url);
  const timeoutUs = `${ioTimeoutMs * 1000}`;
  const probing = ['-probesize', `${PROBE_BYTES}`, '-analyzeduration', `${ANALYZE_US}`, '-fpsprobesize', '0'];
  if (!RTSP_SCHEMES.has(scheme)) return [...probing, scheme === 'udp' || scheme === 'rtp' ? '-timeout' : '-rw_timeout', timeoutUs];
  return [
    ...probing,
    ...['-rtsp_transport', transport],
    // Sound isn't even asked for; with a second stream ffmpeg would also shift time stamps at the first sender report.
    ...['-allowed_media_types', 'video'],
    // Renamed in ffmpeg 5.0; before, -timeout meant to listen for a camera that calls.
    ...[libavformat.major >= 59 ? '-timeout' : '-stimeout', timeoutUs],
    ...(transport === 'udp' ? ['-max_delay', `${MAX_REORDER_DELAY_US}`] : []),
  ];
}

/** Demuxers of recordings and playlists: they give what they have at once, so frames are paced by their presentation times. */
const BURSTING = new Set(['hls', 'dash', 'mov', 'mp4', 'matroska', 'webm', 'avi', 'flv']);
/** Demuxers of streams without time stamps: ffmpeg counts 25 frames a second, whatever comes. */
const UNTIMED = new Set(['mpjpeg', 'mjpeg', 'h264', 'hevc', 'm4v', 'image2pipe', 'jpeg_pipe', 'png_pipe']);

/** @param inputFormat ffmpeg's names of the demuxer. */
export function needsPacing(scheme: string, inputFormat: readonly string[]): boolean {
  return HTTP_SCHEMES.has(scheme) && inputFormat.some((name) => BURSTING.has(name));
}

/** @param inputFormat ffmpeg's names of the demuxer. */
export function isUntimed(inputFormat: readonly string[]): boolean {
  return inputFormat.some((name) => UNTIMED.has(name));
}
