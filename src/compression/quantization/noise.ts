import { tapTensors, type Frames } from './observe.js';

/** What one network computes at some tensors, to compare others with. */
export interface Reference {
  readonly frames: Frames;
  readonly values: ReadonlyMap<string, readonly Float32Array[]>;
}

export async function reference(onnx: Uint8Array, tensors: readonly string[], frames: Frames): Promise<Reference> {
  const values = new Map<string, Float32Array[]>(tensors.map((name) => [name, []]));
  await tapTensors(onnx, tensors, frames, (name, data) => values.get(name)!.push(data.slice()));
  return { frames, values };
}

/** Noise over signal of each tensor, as powers: the mean squared difference over the variance of the reference. */
export async function noiseAt(onnx: Uint8Array, { frames, values }: Reference): Promise<ReadonlyMap<string, number>> {
  const sums = new Map([...values.keys()].map((name) => [name, { error: 0, sum: 0, squares: 0, count: 0 }]));
  await tapTensors(onnx, [...values.keys()], frames, (name, data, _, frame) => {
    const exact = values.get(name)![frame]!;
    const into = sums.get(name)!;
    for (let i = 0; i < exact.length; i += 1) {
      const value = exact[i]!;
      const difference = data[i]! - value;
      into.error += difference * difference;
      into.sum += value;
      into.squares += value * value;
    }
    into.count += exact.length;
  });
  return new Map([...sums].map(([name, { error, sum, squares, count }]) => [name, error / Math.max(squares - (sum * sum) / count, 1e-30)]));
}

/** Signal over noise in decibels. */
export function decibels(noise: number): number {
  return -10 * Math.log10(Math.max(noise, 1e-12));
}
