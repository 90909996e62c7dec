import { AppError } from '../../core/errors.js';
import { float16Value } from '../model-proto.js';

/** Bytes of the length that a file begins with. */
const LENGTH_BYTES = 8;
const MAX_HEADER_BYTES = 4 * 2 ** 20;
const MAX_FILE_BYTES = 256 * 2 ** 20;
const MAX_TENSORS = 20_000;
const MAX_DIMS = 8;
const METADATA = '__metadata__';
const BYTES_PER_VALUE = { F32: 4, F16: 2 } as const;

type Dtype = keyof typeof BYTES_PER_VALUE;

/** Row-major, in float32 whatever it is stored in. */
export interface NamedTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

/** What a safetensors file of tensors in full or half precision holds. */
export interface Safetensors {
  readonly metadata: ReadonlyMap<string, string>;
  readonly tensors: ReadonlyMap<string, NamedTensor>;
}

/** One tensor as the header has it. */
interface Entry {
  readonly name: string;
  readonly dims: readonly number[];
  readonly dtype: Dtype;
  /** From the end of the header on, bytes. */
  readonly begin: number;
  readonly end: number;
}

/**
 * Reads a file in the layout of safetensors: 8 bytes with the length of the header (little-endian), the header as JSON, the data. Strict: tensors are float32
 * or float16 and lie one after the other without a gap, so that no byte is read twice or by nobody.
 *
 * @param fileName for messages only.
 * @throws AppError ERR_MODEL_CORRUPT that says what is wrong and where
 */
export function readSafetensors(bytes: Uint8Array, fileName: string): Safetensors {
  const { header, data } = split(bytes, fileName);
  const { [METADATA]: metadata = {}, ...tensors } = header;
  const names = Object.keys(tensors);
  if (names.length > MAX_TENSORS) throw corrupt(fileName, `${names.length} tensors, expected ${MAX_TENSORS} at most`);
  const entries = names.map((name) => entryOf(name, tensors[name], fileName));
  checkLayout(entries, data.length, fileName);
  return {
    metadata: metadataOf(metadata, fileName),
    tensors: new Map(entries.map(({ name, dims, dtype, begin, end }) => [name, { dims, data: floatsOf(data.subarray(begin, end), dtype) }])),
  };
}

function split(bytes: Uint8Array, fileName: string): { readonly header: Record<string, unknown>; readonly data: Uint8Array } {
  if (bytes.length > MAX_FILE_BYTES) throw corrupt(fileName, `${bytes.length} bytes, expected ${MAX_FILE_BYTES} at most`);
  if (bytes.length < LENGTH_BYTES) throw corrupt(fileName, `${bytes.length} bytes hold no header: it was cut off`);
  const headerBytes = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (headerBytes > MAX_HEADER_BYTES) throw corrupt(fileName, `a header of ${headerBytes} bytes, expected ${MAX_HEADER_BYTES} at most`);
  const end = LENGTH_BYTES + Number(headerBytes);
  if (end > bytes.length) throw corrupt(fileName, `its header ends at byte ${end}, the file at ${bytes.length}: it was cut off`);
  return { header: parseHeader(bytes.subarray(LENGTH_BYTES, end), fileName), data: bytes.subarray(end) };
}

function parseHeader(bytes: Uint8Array, fileName: string): Record<string, unknown> {
  const value = parseJson(bytes, fileName);
  if (isObject(value)) return value;
  throw corrupt(fileName, 'its header is no JSON object');
}

function parseJson(bytes: Uint8Array, fileName: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw corrupt(fileName, `its header is not JSON: ${(cause as Error).message}`, cause);
  }
}

function metadataOf(value: unknown, fileName: string): Map<string, string> {
  const entries = isObject(value) ? Object.entries(value) : undefined;
  if (!entries?.every((entry): entry is [string, string] => typeof entry[1] === 'string')) throw corrupt(fileName, `${METADATA} is no object of texts`);
  return new Map(entries);
}

function entryOf(name: string, value: unknown, fileName: string): Entry {
  const { dtype, shape, data_offsets: offsets } = isObject(value) ? value : {};
  if (dtype !== 'F32' && dtype !== 'F16') throw corrupt(fileName, `${name} has the dtype ${JSON.stringify(dtype)}, expected F32 or F16`);
  if (!isSizes(shape) || shape.length > MAX_DIMS) throw corrupt(fileName, `${name} has the shape ${JSON.stringify(shape)}, expected ${MAX_DIMS} sizes at most`);
  if (!isSizes(offsets) || offsets.length !== 2) throw corrupt(fileName, `${name} has the data_offsets ${JSON.stringify(offsets)}, expected where it begins and ends`);
  const [begin, end] = offsets as [number, number];
  const bytes = shape.reduce((product, size) => product * size, BYTES_PER_VALUE[dtype]);
  if (end - begin !== bytes) throw corrupt(fileName, `${name} has ${end - begin} bytes, its shape [${shape.join(', ')}] says ${bytes}`);
  return { name, dims: shape, dtype, begin, end };
}

function checkLayout(entries: readonly Entry[], dataBytes: number, fileName: string): void {
  let at = 0;
  for (const { name, begin, end } of entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin < at) throw corrupt(fileName, `${name} begins at byte ${begin} of the data, where another one lies up to ${at}: they overlap`);
    if (begin > at) throw corrupt(fileName, `bytes ${at} to ${begin} of the data belong to no tensor`);
    at = end;
  }
  if (at > dataBytes) throw corrupt(fileName, `its tensors take ${at} bytes, and there are ${dataBytes}: it was cut off`);
  if (at < dataBytes) throw corrupt(fileName, `${dataBytes - at} bytes too many at its end`);
}

/** A copy: the data of a file is aligned to nothing. */
function floatsOf(bytes: Uint8Array, dtype: Dtype): Float32Array {
  const { buffer } = new Uint8Array(bytes);
  return dtype === 'F32' ? new Float32Array(buffer) : Float32Array.from(new Uint16Array(buffer), float16Value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function corrupt(fileName: string, detail: string, cause?: unknown): AppError {
  return new AppError('ERR_MODEL_CORRUPT', `${fileName} is no readable safetensors file: ${detail}`, { cause, fix: 'Download or export the model anew.' });
}
