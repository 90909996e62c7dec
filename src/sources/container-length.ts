import { open } from 'node:fs/promises';

const TRANSPORT_PACKET_BYTES = 188;
const TRANSPORT_SYNC_BYTE = 0x47;
const RIFF_HEADER_BYTES = 12;

/**
 * True where a file is shorter than its own container says, for those whose end ffmpeg doesn't miss: AVI and MPEG transport streams.
 * (It reports cut MP4 and Matroska files itself.)
 */
export async function isCutShort(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const head = Buffer.alloc(TRANSPORT_PACKET_BYTES + 1);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    return isAvi(head, bytesRead) ? size < riffBytes(head) : isTransportStream(head, bytesRead) && size % TRANSPORT_PACKET_BYTES !== 0;
  } finally {
    await file.close();
  }
}

/** Types of the boxes that an MP4 or QuickTime file may begin with. */
const FIRST_BOXES = new Set(['ftyp', 'styp', 'moov', 'mdat', 'free', 'skip', 'wide', 'pnot']);

/** True where a file begins like MP4: by its name alone ffmpeg takes any `.mp4` for one, and finds its index missing. */
export async function beginsLikeMp4(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const head = Buffer.alloc(8);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    return bytesRead === head.length && FIRST_BOXES.has(head.toString('latin1', 4));
  } finally {
    await file.close();
  }
}

function isAvi(head: Buffer, bytes: number): boolean {
  return bytes >= RIFF_HEADER_BYTES && head.toString('latin1', 0, 4) === 'RIFF' && head.toString('latin1', 8, 12) === 'AVI ';
}

/** Whole file, of which the size field leaves out its own 8 bytes; 0 where the writer never came back to fill it in. */
function riffBytes(head: Buffer): number {
  const stated = head.readUInt32LE(4);
  return stated === 0 || stated === 0xffffffff ? 0 : stated + 8;
}

function isTransportStream(head: Buffer, bytes: number): boolean {
  return bytes > TRANSPORT_PACKET_BYTES && head[0] === TRANSPORT_SYNC_BYTE && head[TRANSPORT_PACKET_BYTES] === TRANSPORT_SYNC_BYTE;
}
