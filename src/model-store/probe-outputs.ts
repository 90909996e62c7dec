import { AppError } from '../core/errors.js';
import type { ModelInput } from '../core/manifest.js';
import { OfflineSession, type AnyTensor } from '../inference/offline-session.js';
import type { OutputSample } from '../onnx/recognise/head-facts.js';
import { feedsOf, graphOf, decodeModel } from '../onnx/model-proto.js';
import { FRAME_INPUT, prepareInput } from '../onnx/prepare/prepare-input.js';

/**
 * Runs a model once on a picture: proves that this onnxruntime can, and tells shapes and values of its outputs. Blocks for one inference.
 *
 * @param pixels as the manifest's input wants them: planes G, B, R.
 * @throws AppError ERR_MODEL_CORRUPT, ERR_MODEL_UNSUPPORTED_OP, ERR_INFERENCE_FAILED
 */
export async function probeOutputs(onnx: Uint8Array, input: ModelInput, pixels: Uint8Array): Promise<OutputSample[]> {
  const session = await load(prepareInput(onnx, input));
  try {
    const outputs = await session.run({ [FRAME_INPUT]: { type: 'uint8', dims: [1, 3, input.height, input.width], data: pixels } });
    return Object.entries(outputs).map(([name, tensor]) => ({ name, dims: [...tensor.dims], ...values(tensor) }));
  } finally {
    await session.release();
  }
}

function values({ type, data }: AnyTensor): Pick<OutputSample, 'data' | 'isFloat'> {
  return type === 'float32' ? { data: Float32Array.from(data as Float32Array), isFloat: true } : { data: Float32Array.from(data as unknown as ArrayLike<number>, Number), isFloat: false };
}

async function load(model: Uint8Array): Promise<OfflineSession> {
  try {
    return await OfflineSession.create(model, { threads: 1 });
  } catch (cause) {
    const message = (cause as Error).message;
    // Plug-in operators of TensorRT and the like are in no onnxruntime for CPUs.
    const missing = /(\S+)\(-?\d*\) is not a registered function\/op|No Op registered for (\S+)|Could not find an implementation for (\S+)/.exec(message)?.slice(1).find((name) => name);
    if (missing === undefined) throw cause;
    throw new AppError('ERR_MODEL_UNSUPPORTED_OP', `This onnxruntime has no operator ${missing}: ${message}`, {
      cause,
      fix: /nms/i.test(missing) ? 'Export the model without suppression inside (no --end2end for TensorRT): lynceus suppresses itself.' : 'Export the model for onnxruntime on CPUs.',
    });
  }
}

/** Of values over 1, else absolute: sums in another order. */
const LARGEST_DIFFERENCE = 1e-3;

/**
 * Compares a model for one picture with the original for several: the first picture of a batch has to give the same outputs.
 *
 * @throws AppError ERR_MODEL_UNSUPPORTED_OP where it doesn't.
 */
export async function verifySingleBatch(original: Uint8Array, single: Uint8Array, input: ModelInput, batch: number): Promise<void> {
  const shape = input.layout === 'nchw' ? [3, input.height, input.width] : [input.height, input.width, 3];
  const [inMany, inOne] = await Promise.all([runNoise(original, batch, shape), runNoise(single, 1, shape)]);
  for (const [name, { dims, data }] of Object.entries(inOne)) {
    const whole = inMany[name];
    const expected = whole && (whole.dims[0] === batch ? whole.data.subarray(0, whole.data.length / batch) : whole.data);
    const difference = expected?.length === data.length ? largestDifference(data, expected) : Infinity;
    if (difference <= LARGEST_DIFFERENCE) continue;
    throw batchError(batch, `output ${name} [${dims.join(',')}] is another than that of the original [${whole?.dims.join(',') ?? ''}]`);
  }
}

async function runNoise(onnx: Uint8Array, batch: number, shape: readonly number[]): Promise<Record<string, { readonly dims: readonly number[]; readonly data: Float32Array }>> {
  const [feed] = feedsOf(graphOf(decodeModel(onnx)));
  try {
    const session = await load(onnx);
    try {
      const count = shape.reduce((product, size) => product * size, 1);
      // The same picture for each place of the batch, fractions that repeat nowhere near.
      const data = Float32Array.from({ length: batch * count }, (_, i) => ((((i % count) * 7919) % 10007) + 0.5) / 10007);
      const outputs = await session.run({ [feed!.name!]: { type: 'float32', dims: [batch, ...shape], data } });
      return Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, { dims: tensor.dims, data: Float32Array.from(tensor.data as unknown as ArrayLike<number>, Number) }]));
    } finally {
      await session.release();
    }
  } catch (cause) {
    if (batch > 1) throw cause;
    throw batchError(batch, (cause as Error).message, cause);
  }
}

function largestDifference(actual: Float32Array, expected: Float32Array): number {
  let largest = 0;
  for (let i = 0; i < actual.length; i += 1) {
    const difference = Math.abs(actual[i]! - expected[i]!) / Math.max(1, Math.abs(expected[i]!));
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Infinity : difference;
  }
  return largest;
}

function batchError(batch: number, why: string, cause?: unknown): AppError {
  return new AppError('ERR_MODEL_UNSUPPORTED_OP', `The model was exported for several pictures at once and can't be reduced to one: ${why}`, { cause, fix: `Export it for a batch of 1${batch > 1 ? `, not ${batch}` : ''}.` });
}
