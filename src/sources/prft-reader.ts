/** "This frame of the media time line was captured at this wall-clock time", by the sender's clock. */
export interface ReferenceTime {
  /** Presentation time, microseconds. */
  readonly mediaUs: number;
  /** Milliseconds since 1970, whole ones. */
  readonly epochMs: number;
  /** What the box itself said: where a sender gives no time, this is when ffmpeg wrote it. */
  readonly boxEpochMs: number;
}

const HEADER_BYTES = 8;
const LARGE_HEADER_BYTES = 16;
/** Boxes that are kept to be read; the others are skipped. `moov` holds the time scale, in its `mdhd`. */
const KEPT = new Set(['moov', 'prft']);
/** Headers without samples are a kilobyte: whatever is longer is damaged, and skipped. */
const KEPT_BYTES_LIMIT = 65_536;
const NTP_TO_UNIX_SECONDS = 2_208_988_800;

/**
 * Codecs whose packets ffmpeg's parser cuts into frames: it finds the end of a frame in the first packet of the next one, and hands that
 * packet's reference time to the frame that it ends. Their times belong to the frame after.
 */
const PARSED_SAMPLE_ENTRIES = ['avc1', 'avc3', 'hvc1', 'hev1', 'mp4v'];

/**
 * Reads producer reference times (`prft` boxes) out of fragmented MP4 and skips all else. Bytes may come in any pieces.
 *
 * The first box is left out: ffmpeg writes it before it knows the time stamp of its frame.
 */
export class PrftReader {
  readonly #onTime: (time: ReferenceTime) => void;
  readonly #box = new Uint8Array(KEPT_BYTES_LIMIT);
  #filled = 0;
  #skipBytes = 0;
  #timescale = 0;
  #isParsed = false;
  #boxes = 0;
  #previousEpochMs = 0;

  constructor(onTime: (time: ReferenceTime) => void) {
    this.#onTime = onTime;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#skipBytes > 0) {
        const skipped = Math.min(this.#skipBytes, chunk.length - at);
        this.#skipBytes -= skipped;
        at += skipped;
      } else {
        at += this.#fill(chunk, at);
      }
    }
  }

  /** Takes what the box at hand still needs; returns how much that was. */
  #fill(chunk: Uint8Array, at: number): number {
    const taken = Math.min(this.#wanted() - this.#filled, chunk.length - at);
    this.#box.set(chunk.subarray(at, at + taken), this.#filled);
    this.#filled += taken;
    if (this.#filled === this.#wanted()) this.#complete();
    return taken;
  }

  /** First the header, then (for boxes that are kept) the whole. */
  #wanted(): number {
    if (this.#filled < HEADER_BYTES) return HEADER_BYTES;
    if (readUint32(this.#box, 0) === 1 && this.#filled < LARGE_HEADER_BYTES) return LARGE_HEADER_BYTES;
    return this.#isKept() ? this.#size() : this.#headerBytes();
  }

  #complete(): void {
    if (this.#filled < this.#headerBytes()) return; // a 64-bit size follows
    if (!this.#isKept()) {
      this.#skipBytes = Math.max(0, this.#size() - this.#filled);
    } else if (this.#filled < this.#size()) {
      return; // the header of a box that is kept
    } else {
      this.#read();
    }
    this.#filled = 0;
  }

  #read(): void {
    const box = this.#box.subarray(0, this.#filled);
    if (typeOf(box) === 'moov') this.#readMovie(box);
    else this.#readReference(box);
  }

  #readMovie(moov: Uint8Array): void {
    const mediaHeader = find(moov, 'mdhd');
    if (mediaHeader !== undefined) this.#timescale = readUint32(moov, mediaHeader + (moov[mediaHeader] === 1 ? 20 : 12));
    this.#isParsed = PARSED_SAMPLE_ENTRIES.some((name) => find(moov, name) !== undefined);
  }

  #readReference(box: Uint8Array): void {
    const isLong = box[HEADER_BYTES] === 1; // version 1: media time of 64 bits
    const mediaAt = HEADER_BYTES + 16;
    if (this.#timescale === 0 || box.length < mediaAt + (isLong ? 8 : 4)) return;
    const seconds = readUint32(box, HEADER_BYTES + 8) - NTP_TO_UNIX_SECONDS;
    const boxEpochMs = seconds * 1e3 + Math.round((readUint32(box, HEADER_BYTES + 12) * 1e3) / 2 ** 32);
    const ticks = isLong ? readUint32(box, mediaAt) * 2 ** 32 + readUint32(box, mediaAt + 4) : readUint32(box, mediaAt);
    const epochMs = this.#isParsed ? this.#previousEpochMs : boxEpochMs;
    this.#previousEpochMs = boxEpochMs;
    this.#boxes += 1;
    if (this.#boxes > 1) this.#onTime({ mediaUs: Math.round((ticks / this.#timescale) * 1e6), epochMs, boxEpochMs });
  }

  #isKept(): boolean {
    const size = this.#size();
    return KEPT.has(typeOf(this.#box)) && size >= HEADER_BYTES && size <= KEPT_BYTES_LIMIT;
  }

  #headerBytes(): number {
    return readUint32(this.#box, 0) === 1 ? LARGE_HEADER_BYTES : HEADER_BYTES;
  }

  /** A size of 0 means "to the end". */
  #size(): number {
    const size = readUint32(this.#box, 0);
    if (size === 0) return Infinity;
    return size === 1 ? readUint32(this.#box, 8) * 2 ** 32 + readUint32(this.#box, 12) : size;
  }
}

function typeOf(box: Uint8Array): string {
  return String.fromCharCode(...box.subarray(4, 8));
}

/** Where the content of a box within `moov` begins. Searched for by name: with one track there is nothing else that could be taken for it. */
function find(moov: Uint8Array, name: string): number | undefined {
  for (let at = HEADER_BYTES; at + 28 <= moov.length; at += 1) if (typeOf(moov.subarray(at - 4)) === name) return at + 4;
  return undefined;
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! * 2 ** 24 + (bytes[at + 1]! << 16) + (bytes[at + 2]! << 8) + bytes[at + 3]!) >>> 0;
}
