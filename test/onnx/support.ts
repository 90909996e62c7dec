import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor } from 'onnxruntime-node';

/** Evaluation data beside the repository; tests that need it skip where it is missing. */
export const SHARED = fileURLToPath(new URL('../../../shared/', import.meta.url));
export const hasShared = existsSync(SHARED);
export const WITHOUT_SHARED = 'the evaluation data (../shared) is not on this machine';

export interface Outputs {
  readonly [name: string]: { readonly dims: readonly number[]; readonly data: Float32Array };
}

/** Runs a model on one input; the first input of the graph takes it. */
export async function runModel(model: Uint8Array, data: Float32Array | Uint8Array, dims: readonly number[]): Promise<Outputs> {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 2, logSeverityLevel: 3 });
  try {
    const tensor = data instanceof Uint8Array ? new Tensor('uint8', data, dims) : new Tensor('float32', data, dims);
    const results = await session.run({ [session.inputNames[0]!]: tensor });
    return Object.fromEntries(Object.entries(results).map(([name, value]) => [name, { dims: value.dims, data: Float32Array.from(value.data as Float32Array) }]));
  } finally {
    await session.release();
  }
}

/** Numbers from 0 to 1, the same on every machine (xorshift32). */
export function pseudoRandom(count: number, seed = 1): Float32Array {
  const values = new Float32Array(count);
  let state = seed;
  for (let i = 0; i < count; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    values[i] = (state >>> 0) / 2 ** 32;
  }
  return values;
}

/** Largest difference, relative to values over 1; Infinity where the lengths differ or something is no number. */
export function largestDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length || actual.length === 0) return Infinity;
  let largest = 0;
  for (let i = 0; i < actual.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!) / Math.max(1, Math.abs(expected[i]!));
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Infinity : difference;
  }
  return largest;
}

/** Planes of packed RGB bytes, in the order of `channels` (indices into R, G, B). */
export function toPlanes(rgb: Uint8Array, channels: readonly number[]): Uint8Array {
  const pixels = rgb.length / 3;
  const planes = new Uint8Array(rgb.length);
  for (const [plane, channel] of channels.entries()) {
    for (let i = 0; i < pixels; i++) planes[plane * pixels + i] = rgb[3 * i + channel]!;
  }
  return planes;
}
