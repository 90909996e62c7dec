import { AppError } from '../../core/errors.js';
import { elementCount, float16Value } from '../model-proto.js';

/** A constant of a graph, in TensorFlow's own order of dimensions. */
export interface TfConstant {
  readonly dtype: 'float32' | 'int32';
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

interface WeightEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly quantization?: { readonly dtype: string; readonly scale?: number; readonly min?: number };
}

interface WeightGroup {
  readonly paths: readonly string[];
  readonly weights: readonly WeightEntry[];
}

/** Bytes of a shard by the path that the manifest gives it. */
export type ReadShard = (path: string) => Uint8Array;

/**
 * All weights of a `weightsManifest`, those quantised to float16, uint8 or uint16 as float32 again.
 *
 * @throws AppError ERR_MODEL_IMPORT where shards and manifest don't fit, ERR_MODEL_UNSUPPORTED_OP for other types of elements.
 */
export function readTfjsWeights(manifest: unknown, readShard: ReadShard): Map<string, TfConstant> {
  if (!Array.isArray(manifest)) throw misfit('there is no weightsManifest');
  return new Map((manifest as WeightGroup[]).flatMap((group) => readGroup(group, readShard)));
}

function readGroup({ paths, weights }: WeightGroup, readShard: ReadShard): [string, TfConstant][] {
  const bytes = concatenate(paths.map(readShard));
  let offset = 0;
  const constants = weights.map((entry): [string, TfConstant] => {
    const count = elementCount(entry.shape);
    const { bytesPerElement, read, dtype } = elementsOf(entry);
    const end = offset + count * bytesPerElement;
    if (end > bytes.length) throw misfit(`${entry.name} ends at byte ${end}, ${paths.join(' and ')} at ${bytes.length}`);
    const view = new DataView(bytes.buffer, bytes.byteOffset + offset, count * bytesPerElement);
    const data = dtype === 'int32' ? new Int32Array(count) : new Float32Array(count);
    for (let i = 0; i < count; i++) data[i] = read(view, i * bytesPerElement);
    offset = end;
    return [entry.name, { dtype, shape: entry.shape, data }];
  });
  if (offset !== bytes.length) throw misfit(`the manifest describes ${offset} bytes, ${paths.join(' and ')} hold ${bytes.length}`);
  return constants;
}

interface Elements {
  readonly dtype: TfConstant['dtype'];
  readonly bytesPerElement: number;
  readonly read: (view: DataView, at: number) => number;
}

const STORED: Readonly<Record<string, Elements>> = {
  float32: { dtype: 'float32', bytesPerElement: 4, read: (view, at) => view.getFloat32(at, true) },
  int32: { dtype: 'int32', bytesPerElement: 4, read: (view, at) => view.getInt32(at, true) },
};

function elementsOf({ name, dtype, quantization }: WeightEntry): Elements {
  const stored = quantization ? dequantised(quantization) : STORED[dtype];
  if (!stored) throw new AppError('ERR_MODEL_UNSUPPORTED_OP', `Weight ${name} is of type ${quantization?.dtype ?? dtype}`, { fix: 'Convert the model with float32, float16 or uint8 weights.' });
  return stored;
}

function dequantised({ dtype, scale = 1, min = 0 }: NonNullable<WeightEntry['quantization']>): Elements | undefined {
  switch (dtype) {
    case 'float16':
      return { dtype: 'float32', bytesPerElement: 2, read: (view, at) => float16Value(view.getUint16(at, true)) };
    case 'uint8':
      return { dtype: 'float32', bytesPerElement: 1, read: (view, at) => view.getUint8(at) * scale + min };
    case 'uint16':
      return { dtype: 'float32', bytesPerElement: 2, read: (view, at) => view.getUint16(at, true) * scale + min };
    default:
      return undefined;
  }
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

function misfit(detail: string): AppError {
  return new AppError('ERR_MODEL_IMPORT', `The weights don't fit: ${detail}`, { fix: 'Use the files of one download or one package together.' });
}
