import type { Size } from '../core/frame.js';

/** What a line of ffmpeg's log (`-loglevel repeat+level+verbose`) tells us. */
export type StderrFact =
  /** The scale filter of a view was set up for pictures of this size, after any rotation. */
  | { readonly kind: 'picture_size'; readonly instance: string; readonly size: Size }
  /** The input was opened; ffmpeg's names of its demuxer, e.g. `rtsp` or `mov,mp4,m4a,3gp,3g2,mj2`. */
  | { readonly kind: 'input_format'; readonly names: readonly string[] }
  /** A packet that couldn't be decoded: a frame less. */
  | { readonly kind: 'frame_lost' }
  /** The copy of the stream for the sender's clock can't be written: MP4 doesn't know the codec. */
  | { readonly kind: 'copy_failed' }
  /** The input ended before its own header or index says. */
  | { readonly kind: 'cut' };

const PICTURE_SIZE = /^\[scale@(\w+) @ .*?\bw:(\d+) h:(\d+) fmt:.*->/;
const INPUT_FORMAT = /Input #0, (\S+), from '/;
/** Up to 6.x the first, since 7.0 the second. */
const FRAME_LOST = /Error while decoding stream #|Error submitting (?:a )?packet to (?:the )?decoder/;
/** Matroska says `Read error` in 4.1. (`Packet corrupt` is no proof: a transport stream has it in its middle too.) */
const CUT = /partial file|moov atom not found|File ended prematurely|Stream ends prematurely|^\[matroska[^\]]*\] \[error\] Read error/;
const COPY_FAILED = /^\[mp4 @ [^\]]*\] \[(?:error|fatal)\]/;
const PROBLEM = /\[(?:warning|error|fatal|panic)\]/;

/** Reads one line; undefined for the many that say nothing to us. */
export function readStderrLine(line: string): StderrFact | undefined {
  const size = PICTURE_SIZE.exec(line);
  if (size) return { kind: 'picture_size', instance: size[1]!, size: { width: Number(size[2]), height: Number(size[3]) } };
  const format = INPUT_FORMAT.exec(line);
  if (format) return { kind: 'input_format', names: format[1]!.split(',') };
  if (FRAME_LOST.test(line)) return { kind: 'frame_lost' };
  if (COPY_FAILED.test(line)) return { kind: 'copy_failed' };
  if (CUT.test(line)) return { kind: 'cut' };
  return undefined;
}

/** The last problems that ffmpeg wrote about, redacted: what an error is classified by and quotes. */
export class StderrLog {
  static readonly CAPACITY = 20;
  readonly #lines: string[] = [];
  readonly #redact: (text: string) => string;

  constructor(redact: (text: string) => string) {
    this.#redact = redact;
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  push(line: string): void {
    if (!PROBLEM.test(line)) return;
    if (this.#lines.length === StderrLog.CAPACITY) this.#lines.shift();
    this.#lines.push(this.#redact(withoutAddresses(line)));
  }
}

/** `[h264 @ 0x5649ec6c4200] [error] no frame!` without the pointer, which differs in each run. */
function withoutAddresses(line: string): string {
  return line.replace(/ @ 0x[0-9a-f]+\]/g, ']').replace(/\[(?:warning|error|fatal|panic)\] /, '');
}
