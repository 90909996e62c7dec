import { AppError } from '../../core/errors.js';
import type { FrameFormat } from '../../core/frame.js';
import type { PictureSet } from '../../core/picture-set.js';
import { OfflineSession } from '../../inference/offline-session.js';
import { decodeModel, elementCount, encodeModel, graphOf, makeValueInfo } from '../../onnx/model-proto.js';
import { inferShapes } from '../../onnx/infer-shapes.js';
import { ValueHistogram } from './value-histogram.js';

/** Bytes of intermediate tensors that one run may hand out: the network is run once for each such part. */
const BYTES_AT_ONCE = 192 * 2 ** 20;

/** What is remembered of a tensor. */
export interface TensorStatistics {
  readonly histogram: ValueHistogram;
  /** Mean per channel (second axis). */
  readonly channelMeans: Float64Array;
  /** Largest absolute value per channel. */
  readonly channelPeaks: Float64Array;
}

/** Bytes of a picture for a prepared model, by the caller's choice held in memory. */
export type Frames = readonly Uint8Array[];

/** Reads the frames of a set in a model's format. @throws AppError ERR_DATASET_EMPTY where there are none */
export async function readFrames(pictures: PictureSet, format: FrameFormat, limit: number): Promise<Frames> {
  const frames: Uint8Array[] = [];
  for await (const { pixels } of pictures.read(format)) {
    frames.push(pixels);
    if (frames.length >= limit) break;
  }
  if (frames.length === 0) throw new AppError('ERR_DATASET_EMPTY', `${pictures.description}: no picture to calibrate with`);
  return frames;
}

/** Runs a model with inner tensors as outputs and hands each one's values on; they are the callee's for the time of the call only. */
export async function tapTensors(
  onnx: Uint8Array,
  names: readonly string[],
  frames: Frames,
  onTensor: (name: string, values: Float32Array, dims: readonly number[], frame: number) => void,
  onRun: () => void = () => undefined,
): Promise<void> {
  for (const part of parts(onnx, names)) {
    const session = await OfflineSession.create(withOutputs(onnx, part), { optimization: 'basic' });
    try {
      for (const [index, frame] of frames.entries()) {
        const outputs = await session.run({ [session.inputNames[0]!]: { type: 'uint8', dims: frameDims(onnx), data: frame } });
        for (const name of part) onTensor(name, outputs[name]!.data as Float32Array, outputs[name]!.dims, index);
        onRun();
      }
    } finally {
      await session.release();
    }
  }
}

/** Statistics of inner tensors over frames: memory for their histograms, not for their values. */
export async function observe(onnx: Uint8Array, names: readonly string[], frames: Frames, onRun?: () => void): Promise<ReadonlyMap<string, TensorStatistics>> {
  const statistics = new Map<string, TensorStatistics>();
  await tapTensors(
    onnx,
    names,
    frames,
    (name, values, dims) => {
      const channels = dims[1] ?? 1;
      const known = statistics.get(name) ?? { histogram: new ValueHistogram(), channelMeans: new Float64Array(channels), channelPeaks: new Float64Array(channels) };
      statistics.set(name, known);
      known.histogram.add(values);
      addChannels(known, values, frames.length);
    },
    onRun,
  );
  return statistics;
}

/** Frames of a prepared model: the dims of its one input. */
export function frameDims(onnx: Uint8Array): readonly number[] {
  const cached = DIMS.get(onnx);
  if (cached) return cached;
  const input = graphOf(decodeModel(onnx)).input![0]!;
  const dims = input.type!.tensorType!.shape!.dim!.map(({ dimValue }) => Number(dimValue));
  DIMS.set(onnx, dims);
  return dims;
}

const DIMS = new WeakMap<Uint8Array, readonly number[]>();

function addChannels({ channelMeans, channelPeaks }: TensorStatistics, values: Float32Array, frameCount: number): void {
  const perChannel = values.length / channelMeans.length;
  for (let channel = 0; channel < channelMeans.length; channel += 1) {
    let sum = 0;
    let peak = channelPeaks[channel]!;
    for (let i = channel * perChannel; i < (channel + 1) * perChannel; i += 1) {
      const value = values[i]!;
      sum += value;
      if (value > peak) peak = value;
      else if (-value > peak) peak = -value;
    }
    channelMeans[channel]! += sum / perChannel / frameCount;
    channelPeaks[channel] = peak;
  }
}

/** Names in parts whose tensors together stay below the limit; one whose size is unknown gets a part of its own. */
function parts(onnx: Uint8Array, names: readonly string[]): string[][] {
  const shapes = inferShapes(graphOf(decodeModel(onnx)));
  const all: string[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const name of names) {
    const shape = shapes.get(name);
    const size = shape ? elementCount(shape) * 4 : BYTES_AT_ONCE;
    if (bytes + size > BYTES_AT_ONCE) {
      all.push([]);
      bytes = 0;
    }
    all.at(-1)!.push(name);
    bytes += size;
  }
  return all;
}

/** The model with these tensors as its outputs, and no others. */
export function withOutputs(onnx: Uint8Array, names: readonly string[]): Uint8Array {
  const model = decodeModel(onnx);
  graphOf(model).output = names.map((name) => {
    const value = makeValueInfo(name, 'float32', []);
    // Of any shape: what isn't stated is inferred.
    value.type!.tensorType!.shape = null;
    return value;
  });
  return encodeModel(model);
}
