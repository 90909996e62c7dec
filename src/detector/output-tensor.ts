import { AppError } from '../core/errors.js';

/** One output of a model, row-major. Only borrowed: decoders read it and keep nothing. */
export interface OutputTensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

/** The outputs of one run, by name. */
export type ModelOutputs = Readonly<Record<string, OutputTensor>>;

/** A shape to look for; `undefined` is a dimension of any size. */
export type ExpectedShape = readonly (number | undefined)[];

/**
 * The tensor called `name`, or where the manifest gives no name the first one of the expected shape.
 *
 * @param reason why this shape is expected, for the message.
 * @throws {AppError} ERR_MODEL_OUTPUT_SHAPE saying what was expected and what was found.
 */
export function findOutput(outputs: ModelOutputs, name: string | undefined, expected: ExpectedShape, reason: string): OutputTensor {
  if (name === undefined) {
    for (const key in outputs) {
      const tensor = outputs[key]!;
      if (hasShape(tensor, expected)) return tensor;
    }
  } else {
    const tensor = outputs[name];
    if (tensor !== undefined && hasShape(tensor, expected)) return tensor;
  }
  throw shapeError(outputs, name, expected, reason);
}

function hasShape({ data, dims }: OutputTensor, expected: ExpectedShape): boolean {
  if (dims.length !== expected.length) return false;
  let elements = 1;
  for (let axis = 0; axis < dims.length; axis += 1) {
    if (expected[axis] !== undefined && expected[axis] !== dims[axis]) return false;
    elements *= dims[axis]!;
  }
  return elements === data.length;
}

function shapeError(outputs: ModelOutputs, name: string | undefined, expected: ExpectedShape, reason: string): AppError {
  const wanted = `${name === undefined ? 'an output' : `output '${name}'`} of shape [${expected.map((size) => size ?? 'N').join(',')}] (${reason})`;
  const found = Object.entries(outputs).map(([key, { data, dims }]) => `'${key}' [${dims.join(',')}] with ${data.length} values`);
  return new AppError('ERR_MODEL_OUTPUT_SHAPE', `Expected ${wanted}, found ${found.join(', ') || 'no outputs'}`, {
    fix: 'Check head.kind, head.scales, labels and the input size in the manifest against the model.',
  });
}
