import type { FrameFormat, Size } from '../core/frame.js';
import type { FfmpegBinaries } from './find-ffmpeg.js';
import type { FfmpegOutput } from './ffmpeg.js';
import { fitFilter } from './fit-filter.js';

/** One picture to make of each decoded picture. */
export interface FfmpegView {
  /** ffmpeg filters before scaling, e.g. `crop=iw/2:ih:0:0`. */
  readonly filters?: string;
  /** Size after these filters, where it is known beforehand; else it is read from ffmpeg's log. */
  readonly sourceSize?: Size;
}

export interface DecodeRequest {
  readonly inputOptions: readonly string[];
  readonly format: FrameFormat;
  readonly views: readonly FfmpegView[];
  readonly decodeThreads: number;
  readonly socketPath: string;
  /** Where the sender's clock is to be sent; see `referenceTimeOutput`. */
  readonly senderTimePath?: string | undefined;
}

/** Name of a view's scale filter, by which its line in the log is told. */
export function viewName(view: number): string {
  return `view${view}`;
}

/**
 * Time stamps go on as they come, but never back: where a stream starts anew in mid-connection, the next frame is placed a nominal
 * 40 ms after the last. Otherwise the muxer would squeeze all later frames into one tick each.
 */
const RISING_PTS = "setpts='if(gt(PTS,PREV_INPTS),PREV_OUTPTS+PTS-PREV_INPTS,if(isnan(PREV_INPTS),PTS,PREV_OUTPTS+0.04/TB))'";

/** ffmpeg waits so long for us at the socket: we are there within milliseconds, or dead. */
const LISTEN_TIMEOUT_MS = 10_000;

/** Options of an ffmpeg that decodes one input and sends raw frames as NUT into a socket that it listens on. */
export function ffmpegArguments(request: DecodeRequest, binaries: FfmpegBinaries): { inputOptions: string[]; outputs: FfmpegOutput[] } {
  const { inputOptions, decodeThreads, senderTimePath } = request;
  const logging = ['-hide_banner', '-nostdin', '-nostats', '-loglevel', 'repeat+level+verbose'];
  return {
    inputOptions: [...logging, '-filter_threads', '1', '-filter_complex_threads', '1', '-copyts', '-threads', `${decodeThreads}`, ...inputOptions],
    outputs: [framesOutput(request, binaries), ...(senderTimePath ? [referenceTimeOutput(senderTimePath)] : [])],
  };
}

function framesOutput(request: DecodeRequest, binaries: FfmpegBinaries): FfmpegOutput {
  const picked = request.views.length === 1 ? ['-map', '0:V:0', '-filter:v', singleGraph(request)] : splitGraph(request);
  return listeningOutput(request.socketPath, [
    ...picked,
    ...everyFrameOnce(binaries),
    // The input's own tick, or time stamps would be rounded to the nominal frame rate.
    ...['-enc_time_base', '-1'],
    // Since 5.1 even the raw "encoder" works in as many threads as there are cores, and holds a frame back for each.
    ...['-map_metadata', '-1', '-map_chapters', '-1', '-c:v', 'rawvideo', '-threads', '1', '-f', 'nut', '-write_index', '0'],
  ]);
}

/**
 * The stream as it came, undecoded, as fragmented MP4: the only format in which ffmpeg passes on the sender's clock (of RTCP sender
 * reports), a `prft` box before each frame.
 */
function referenceTimeOutput(socketPath: string): FfmpegOutput {
  const fragments = ['-movflags', '+frag_every_frame+empty_moov+default_base_moof', '-write_prft', 'wallclock'];
  return listeningOutput(socketPath, ['-map', '0:V:0', '-c', 'copy', '-map_metadata', '-1', '-f', 'mp4', ...fragments, '-avoid_negative_ts', 'disabled']);
}

function listeningOutput(socketPath: string, options: readonly string[]): FfmpegOutput {
  return { target: `unix:${socketPath}`, options: [...options, '-flush_packets', '1', '-listen', '1', '-timeout', `${LISTEN_TIMEOUT_MS}`] };
}

/** Sender reports get into packets since ffmpeg 4.4. */
export function knowsSenderTime({ libavformat: { major, minor } }: FfmpegBinaries): boolean {
  return major > 58 || (major === 58 && minor >= 76);
}

/** Never duplicate nor drop: `-vsync` was renamed in ffmpeg 5.1 and the old name is deprecated. */
function everyFrameOnce({ libavformat: { major, minor } }: FfmpegBinaries): string[] {
  const renamed = major > 59 || (major === 59 && minor >= 27);
  return [renamed ? '-fps_mode' : '-vsync', 'passthrough'];
}

function singleGraph(request: DecodeRequest): string {
  return [RISING_PTS, ...viewChain(request, 0)].join(',');
}

function splitGraph(request: DecodeRequest): string[] {
  const indices = request.views.map((_, view) => view);
  const split = `[0:V:0]${RISING_PTS},split=${indices.length}${indices.map((view) => `[in${view}]`).join('')}`;
  const chains = indices.map((view) => `[in${view}]${viewChain(request, view).join(',')}[out${view}]`);
  return ['-filter_complex', [split, ...chains].join(';'), ...indices.flatMap((view) => ['-map', `[out${view}]`])];
}

function viewChain({ views, format }: DecodeRequest, view: number): string[] {
  const own = views[view]?.filters;
  return [...(own ? [own] : []), fitFilter(format, viewName(view))];
}
