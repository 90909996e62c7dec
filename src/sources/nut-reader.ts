import { AppError } from '../core/errors.js';

/** One video stream of a NUT file, as its header says. */
export interface NutStream {
  readonly width: number;
  readonly height: number;
  /** Seconds of one tick of `ptsTicks`: numerator over denominator. */
  readonly timeBase: TimeBase;
}

export interface TimeBase {
  readonly numerator: number;
  readonly denominator: number;
}

export interface NutFrame {
  /** Index into the streams, in the order of their headers. */
  readonly stream: number;
  /** Presentation time, microseconds, not negative. */
  readonly ptsUs: number;
  readonly payloadBytes: number;
}

export interface NutHandlers {
  /** All stream headers have been read; called once, before the first frame. */
  streams(streams: readonly NutStream[]): void;
  /**
   * A frame's header has been read. Returns where its payload belongs (exactly `payloadBytes` long), or undefined where there is no
   * room now: the reader then blocks until `resume`, which asks again.
   */
  frameStarts(frame: NutFrame): Uint8Array | undefined;
  /** The region that `frameStarts` gave is full. */
  frameEnds(frame: NutFrame): void;
}

const FILE_ID = new TextEncoder().encode('nut/multimedia container\0');
/** Startcodes share their first byte, 'N', which is never a frame code; the second tells the kind. */
const STARTCODE_MARK = 0x4e;
const STARTCODES: Readonly<Record<number, PacketKind>> = { 0x4d: 'main', 0x53: 'stream', 0x4b: 'syncpoint', 0x58: 'index', 0x49: 'info' };
type PacketKind = 'main' | 'stream' | 'syncpoint' | 'index' | 'info';

const FLAG_CODED_PTS = 8;
const FLAG_STREAM_ID = 16;
const FLAG_SIZE_MSB = 32;
const FLAG_CHECKSUM = 64;
const FLAG_RESERVED = 128;
const FLAG_SIDE_DATA = 256;
const FLAG_HEADER_INDEX = 1024;
const FLAG_MATCH_TIME = 2048;
const FLAG_CODED_FLAGS = 4096;
const FLAG_INVALID = 8192;

/** A packet longer than this carries a checksum of its own header. */
const LONG_PACKET_BYTES = 4096;
const STARTCODE_BYTES = 8;
const CHECKSUM_BYTES = 4;
/** Headers of ffmpeg are well under this; metadata, which has no limit, is skipped and needs no room. */
const SCRATCH_BYTES = 16_384;
/**
 * Read at most so much where a header is expected: enough for syncpoint and frame header (about 35 bytes) in one read, and little
 * to copy of the payload that comes along.
 */
const HEADER_READ_BYTES = 128;

/** Streams, time bases and elided headers that a file of ours could ever have. */
const MAX_COUNT = 256;

interface FrameCode {
  readonly flags: number;
  readonly stream: number;
  readonly sizeMultiplier: number;
  readonly sizeLsb: number;
  readonly ptsDelta: number;
  readonly reserved: number;
  readonly headerIndex: number;
}

interface StreamState extends NutStream {
  readonly msbPtsShift: number;
  lastPtsTicks: number;
}

/**
 * Reads video out of NUT, ffmpeg's own container, without touching the payload.
 *
 * It owns no socket: ask `region()` where the next bytes may be written, write them, tell `advance()` how many came. Where a payload is
 * due, the region is the rest of the buffer that the handler gave, so the kernel writes pixels where they stay; headers go through a
 * scratch. Checksums are not verified: the bytes came through a local socket.
 */
export class NutReader {
  readonly #handlers: NutHandlers;
  readonly #scratch = new Uint8Array(SCRATCH_BYTES);
  #scratchStart = 0;
  #scratchEnd = 0;
  /** Whether the region given out last lies in the scratch: while the reader is blocked a read may still land there. */
  #landsInScratch = true;
  #sawFileId = false;
  #timeBases: TimeBase[] = [];
  #frameCodes: FrameCode[] = [];
  #elisionBytes: number[] = [0];
  #broadcast = false;
  #expectedStreams = 0;
  readonly #streams = new Map<number, StreamState>();
  #order: number[] = [];
  #announced = false;
  #skipBytes = 0;
  #frame: NutFrame | undefined;
  #payload: Uint8Array | undefined;
  #payloadFilled = 0;
  #blocked = false;

  constructor(handlers: NutHandlers) {
    this.#handlers = handlers;
  }

  /** True between frames: a stream that ends elsewhere was cut. */
  get atBoundary(): boolean {
    return this.#frame === undefined && this.#skipBytes === 0 && this.#scratchStart === this.#scratchEnd;
  }

  get blocked(): boolean {
    return this.#blocked;
  }

  /** Where the next bytes are to be written; never empty. */
  region(): Uint8Array {
    if (this.#payload && !this.#blocked) {
      this.#landsInScratch = false;
      return this.#payload.subarray(this.#payloadFilled);
    }
    this.#landsInScratch = true;
    this.#compactScratch();
    return this.#scratch.subarray(this.#scratchEnd, this.#scratchEnd + HEADER_READ_BYTES);
  }

  /**
   * Takes `count` bytes that were written into the last region.
   *
   * @returns false where the reader is blocked: stop reading until `resume` returns true.
   * @throws AppError ERR_FFMPEG_FAILED where the bytes aren't NUT.
   */
  advance(count: number): boolean {
    if (this.#landsInScratch) this.#scratchEnd += count;
    else this.#payloadFilled += count;
    return this.#drain();
  }

  /** Asks again for the room that was missing. @returns true where reading may go on. */
  resume(): boolean {
    this.#blocked = false;
    return this.#drain();
  }

  /** Works through what the scratch holds; false where blocked. */
  #drain(): boolean {
    for (;;) {
      if (this.#blocked) return false;
      if (this.#frame) {
        if (!this.#fillPayload(this.#frame)) return !this.#blocked;
      } else if (this.#skipBytes > 0) {
        if (!this.#skip()) return true;
      } else if (!this.#parseElement()) {
        return true;
      }
    }
  }

  /** True where the frame is complete. */
  #fillPayload(frame: NutFrame): boolean {
    if (!this.#payload) {
      this.#payload = this.#handlers.frameStarts(frame);
      if (!this.#payload) {
        this.#blocked = true;
        return false;
      }
      this.#payloadFilled = 0;
    }
    const copied = Math.min(frame.payloadBytes - this.#payloadFilled, this.#scratchEnd - this.#scratchStart);
    if (copied > 0) {
      this.#payload.set(this.#scratch.subarray(this.#scratchStart, this.#scratchStart + copied), this.#payloadFilled);
      this.#scratchStart += copied;
      this.#payloadFilled += copied;
    }
    if (this.#payloadFilled < frame.payloadBytes) return false;
    this.#payload = undefined;
    this.#frame = undefined;
    this.#handlers.frameEnds(frame);
    return true;
  }

  #skip(): boolean {
    const skipped = Math.min(this.#skipBytes, this.#scratchEnd - this.#scratchStart);
    this.#skipBytes -= skipped;
    this.#scratchStart += skipped;
    return this.#skipBytes === 0;
  }

  #compactScratch(): void {
    if (this.#scratchStart === this.#scratchEnd) {
      this.#scratchStart = 0;
      this.#scratchEnd = 0;
    } else if (this.#scratchEnd + HEADER_READ_BYTES > SCRATCH_BYTES) {
      this.#scratch.copyWithin(0, this.#scratchStart, this.#scratchEnd);
      this.#scratchEnd -= this.#scratchStart;
      this.#scratchStart = 0;
    }
  }

  /** Parses one packet or frame header out of the scratch; false where it isn't complete yet (nothing is consumed then). */
  #parseElement(): boolean {
    const cursor = new Cursor(this.#scratch, this.#scratchStart, this.#scratchEnd);
    const parsed = this.#sawFileId ? this.#parsePacketOrFrame(cursor) : this.#parseFileId(cursor);
    if (!parsed || cursor.overrun) {
      if (this.#scratchEnd - this.#scratchStart > SCRATCH_BYTES - HEADER_READ_BYTES) throw notNut('a header longer than any that ffmpeg writes');
      return false;
    }
    this.#scratchStart = cursor.position;
    return true;
  }

  #parseFileId(cursor: Cursor): boolean {
    for (const expected of FILE_ID) {
      const found = cursor.byte();
      if (cursor.overrun) return false;
      if (found !== expected) throw notNut('no NUT file id at the start');
    }
    this.#sawFileId = true;
    return true;
  }

  #parsePacketOrFrame(cursor: Cursor): boolean {
    if (cursor.remaining === 0) return false;
    return cursor.peek() === STARTCODE_MARK ? this.#parsePacket(cursor) : this.#parseFrame(cursor);
  }

  #parsePacket(cursor: Cursor): boolean {
    if (cursor.remaining < STARTCODE_BYTES + 1) return false;
    const kind = STARTCODES[cursor.peek(1)];
    if (!kind) throw notNut(`an unknown startcode 4e${cursor.peek(1).toString(16)}`);
    cursor.skip(STARTCODE_BYTES);
    const bodyBytes = cursor.varint();
    if (bodyBytes > LONG_PACKET_BYTES) cursor.skip(CHECKSUM_BYTES);
    if (cursor.overrun) return false;
    if (kind === 'info' || kind === 'index') {
      this.#skipBytes = bodyBytes;
      return true;
    }
    if (cursor.remaining < bodyBytes) return false;
    const end = cursor.position + bodyBytes;
    this.#parseHeader(kind, cursor);
    if (cursor.position > end) throw notNut(`a ${kind} header longer than it says`);
    cursor.position = end;
    return true;
  }

  #parseHeader(kind: 'main' | 'stream' | 'syncpoint', cursor: Cursor): void {
    if (kind === 'main') this.#parseMainHeader(cursor);
    else if (kind === 'stream') this.#parseStreamHeader(cursor);
    else this.#parseSyncpoint(cursor);
  }

  #parseMainHeader(cursor: Cursor): void {
    const version = cursor.varint();
    if (version > 3) cursor.varint();
    this.#expectedStreams = cursor.count();
    cursor.varint(); // max_distance: for seeking
    this.#timeBases = Array.from({ length: cursor.count() }, () => ({ numerator: cursor.varint(), denominator: cursor.varint() }));
    if (this.#timeBases.some(({ numerator, denominator }) => numerator === 0 || denominator === 0)) throw notNut('a time base of zero');
    this.#frameCodes = parseFrameCodes(cursor);
    this.#elisionBytes = [0];
    const elisions = cursor.count();
    for (let i = 0; i < elisions; i += 1) {
      const length = cursor.varint();
      cursor.skip(length);
      this.#elisionBytes.push(length);
    }
    this.#broadcast = version > 3 && (cursor.varint() & 1) !== 0;
  }

  #parseStreamHeader(cursor: Cursor): void {
    const id = cursor.varint();
    const streamClass = cursor.varint();
    cursor.skip(cursor.varint()); // fourcc
    const timeBase = this.#timeBases[cursor.varint()];
    const msbPtsShift = cursor.varint();
    cursor.varint(); // max_pts_distance
    cursor.varint(); // decode_delay
    cursor.varint(); // stream_flags
    cursor.skip(cursor.varint()); // codec_specific_data
    if (streamClass !== 0 || !timeBase) throw notNut(`stream ${id} of class ${streamClass} where video was expected`);
    // A header repeated in mid-stream must not forget where its stream is.
    const lastPtsTicks = this.#streams.get(id)?.lastPtsTicks ?? 0;
    this.#streams.set(id, { width: cursor.varint(), height: cursor.varint(), timeBase, msbPtsShift, lastPtsTicks });
    this.#order = [...this.#streams.keys()];
    if (this.#streams.size !== this.#expectedStreams || this.#announced) return;
    this.#announced = true;
    this.#handlers.streams([...this.#streams.values()]);
  }

  /** Sets all streams to the syncpoint's time, each in its own ticks, rounded down. */
  #parseSyncpoint(cursor: Cursor): void {
    const coded = cursor.varint();
    const timeBase = this.#timeBases[coded % this.#timeBases.length];
    if (!timeBase) throw notNut('a syncpoint before the main header');
    const ticks = Math.floor(coded / this.#timeBases.length);
    for (const stream of this.#streams.values()) stream.lastPtsTicks = rescaleDown(ticks, timeBase, stream.timeBase);
    if (this.#broadcast) cursor.varint();
  }

  #parseFrame(cursor: Cursor): boolean {
    const code = this.#frameCodes[cursor.byte()];
    if (!code || (code.flags & FLAG_INVALID) !== 0) throw notNut('an invalid frame code');
    let flags = code.flags;
    if (flags & FLAG_CODED_FLAGS) flags ^= cursor.varint();
    const id = flags & FLAG_STREAM_ID ? cursor.varint() : code.stream;
    const codedPts = flags & FLAG_CODED_PTS ? cursor.varint() : undefined;
    let size = code.sizeLsb + (flags & FLAG_SIZE_MSB ? cursor.varint() * code.sizeMultiplier : 0);
    if (flags & FLAG_MATCH_TIME) cursor.signedVarint();
    size -= this.#elisionBytes[flags & FLAG_HEADER_INDEX ? cursor.varint() : code.headerIndex] ?? 0;
    for (let left = flags & FLAG_RESERVED ? cursor.count() : code.reserved; left > 0; left -= 1) cursor.varint();
    if (flags & FLAG_CHECKSUM) cursor.skip(CHECKSUM_BYTES);
    if (cursor.overrun) return false;
    if (flags & FLAG_SIDE_DATA) throw notNut('a frame with side data');
    const stream = this.#streams.get(id);
    if (!stream) throw notNut(`a frame of the unknown stream ${id}`);
    const ptsTicks = codedPts === undefined ? stream.lastPtsTicks + code.ptsDelta : decodePts(codedPts, stream);
    stream.lastPtsTicks = ptsTicks;
    if (size <= 0) return true; // an empty frame ends a stream: nothing to show
    this.#frame = { stream: this.#order.indexOf(id), ptsUs: ticksToUs(ptsTicks, stream.timeBase), payloadBytes: size };
    return true;
  }
}

/** Exact for any time that a double can count in ticks: whole seconds and the rest are converted apart. */
export function ticksToUs(ticks: number, { numerator, denominator }: TimeBase): number {
  const units = ticks * numerator;
  const seconds = Math.floor(units / denominator);
  return seconds * 1e6 + Math.round(((units - seconds * denominator) * 1e6) / denominator);
}

/** Ticks of one time base in another, rounded down; whole seconds apart, so that products stay exact. */
function rescaleDown(ticks: number, from: TimeBase, to: TimeBase): number {
  if (from.numerator === to.numerator && from.denominator === to.denominator) return ticks;
  const scaled = (BigInt(ticks) * BigInt(from.numerator) * BigInt(to.denominator)) / (BigInt(from.denominator) * BigInt(to.numerator));
  return Number(scaled);
}

/** A pts is coded by its low bits near the last one, or whole, offset by the range of the low bits. */
function decodePts(coded: number, { msbPtsShift, lastPtsTicks }: StreamState): number {
  const range = 2 ** msbPtsShift;
  if (coded >= range) return coded - range;
  const lowest = lastPtsTicks - Math.floor((range - 1) / 2);
  const offset = (coded - lowest) % range;
  return lowest + (offset < 0 ? offset + range : offset);
}

/** The table of 256 frame codes is run-length coded; 'N' is left out, for it begins startcodes. */
function parseFrameCodes(cursor: Cursor): FrameCode[] {
  const codes: FrameCode[] = [];
  const invalid: FrameCode = { flags: FLAG_INVALID, stream: 0, sizeMultiplier: 1, sizeLsb: 0, ptsDelta: 0, reserved: 0, headerIndex: 0 };
  let ptsDelta = 0;
  let sizeMultiplier = 1;
  let stream = 0;
  let headerIndex = 0;
  while (codes.length < 256 && !cursor.overrun) {
    const flags = cursor.varint();
    const fields = cursor.count();
    if (fields > 0) ptsDelta = cursor.signedVarint();
    if (fields > 1) sizeMultiplier = cursor.varint();
    if (fields > 2) stream = cursor.varint();
    const sizeLsb = fields > 3 ? cursor.varint() : 0;
    const reserved = fields > 4 ? cursor.count() : 0;
    const count = fields > 5 ? cursor.varint() : sizeMultiplier - sizeLsb;
    if (fields > 6) cursor.signedVarint(); // match_time_delta: for seeking
    if (fields > 7) headerIndex = cursor.varint();
    for (let i = 8; i < fields; i += 1) cursor.varint();
    if (count <= 0) throw notNut('an empty run in the frame code table');
    for (let i = 0; i < count && codes.length < 256; ) {
      if (codes.length === STARTCODE_MARK) {
        codes.push(invalid);
      } else {
        codes.push({ flags, stream, sizeMultiplier, sizeLsb: sizeLsb + i, ptsDelta, reserved, headerIndex });
        i += 1;
      }
    }
  }
  if (codes.length === STARTCODE_MARK) codes.push(invalid);
  return codes;
}

/** Reads variable-length integers; reading past the end sets `overrun` and yields zeros, so that callers check once. */
class Cursor {
  position: number;
  overrun = false;
  readonly #bytes: Uint8Array;
  readonly #end: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.position = start;
    this.#end = end;
  }

  get remaining(): number {
    return this.#end - this.position;
  }

  peek(ahead = 0): number {
    return this.#bytes[this.position + ahead]!;
  }

  skip(count: number): void {
    this.position += count;
    if (this.position > this.#end) this.overrun = true;
  }

  byte(): number {
    if (this.position >= this.#end) {
      this.overrun = true;
      return 0;
    }
    const value = this.#bytes[this.position]!;
    this.position += 1;
    return value;
  }

  /** Seven bits a byte, most significant first, the top bit says that more follow. */
  varint(): number {
    let value = 0;
    for (;;) {
      const byte = this.byte();
      value = value * 128 + (byte & 0x7f);
      if (byte < 0x80) return value;
      if (value > Number.MAX_SAFE_INTEGER) {
        // The frame code table really holds one such number (a match time of 1 - 2^62), which nobody needs.
        value = Number.MAX_SAFE_INTEGER;
      }
    }
  }

  /** How many of something follow. */
  count(): number {
    const value = this.varint();
    if (value > MAX_COUNT) throw notNut(`${value} entries where a few were expected`);
    return value;
  }

  signedVarint(): number {
    const coded = this.varint() + 1;
    return coded % 2 === 1 ? -((coded - 1) / 2) : coded / 2;
  }
}

function notNut(found: string): AppError {
  return new AppError('ERR_FFMPEG_FAILED', `Expected NUT from ffmpeg but found ${found}.`, {
    fix: 'Install ffmpeg 4.1 or newer, or point LYNCEUS_FFMPEG to one.',
  });
}
