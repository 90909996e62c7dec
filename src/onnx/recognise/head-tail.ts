import { AppError } from '../../core/errors.js';
import { GraphEditor } from '../graph-editor.js';
import { makeNode, makeTensor, makeValueInfo, type AttributeValue, type ModelProto } from '../model-proto.js';

/** A constant of a step; `cells` is [1, columns * rows, 4]: centre of each cell of a grid in pixels, then twice 0. */
export type TailConstant =
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[]; readonly dims: readonly number[] }
  | { readonly cells: { readonly columns: number; readonly rows: number; readonly stride: number } };

/** One node behind a model's outputs. Plain data: a lineage keeps it as it is. */
export interface TailStep {
  readonly op: string;
  readonly inputs: readonly (string | TailConstant)[];
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  readonly output: string;
}

/** An output of the model as it is read in the end. */
export interface TailOutput {
  readonly name: string;
  readonly dims: readonly (number | string)[];
}

/** What brings a model's outputs into a form that a decoder reads. */
export interface HeadTail {
  readonly steps: readonly TailStep[];
  readonly outputs: readonly TailOutput[];
}

/** ONNX number of float32, for Cast. */
const FLOAT = 1;

/** Writes down a tail step by step; each method gives the name of the tensor that the step makes. */
export class TailWriter {
  readonly steps: TailStep[] = [];

  node(op: string, inputs: readonly (string | TailConstant)[], attributes: Readonly<Record<string, AttributeValue>> = {}): string {
    const output = `tail_${this.steps.length + 1}`;
    this.steps.push({ op, inputs, ...(Object.keys(attributes).length > 0 && { attributes }), output });
    return output;
  }

  /** Nothing where the order is the one that is there. */
  transpose(from: string, perm: readonly number[]): string {
    return perm.every((axis, i) => axis === i) ? from : this.node('Transpose', [from], { perm: { ints: [...perm] } });
  }

  /** @param dims -1 for the one that follows from the others. */
  reshape(from: string, dims: readonly number[]): string {
    return this.node('Reshape', [from, { ints: dims }]);
  }

  concat(parts: readonly string[], axis: number): string {
    return parts.length === 1 ? parts[0]! : this.node('Concat', parts, { axis: { i: axis } });
  }

  toFloat(from: string): string {
    return this.node('Cast', [from], { to: { i: FLOAT } });
  }

  sigmoid(from: string): string {
    return this.node('Sigmoid', [from]);
  }

  /** Rows times a matrix: picks, orders, scales and mixes columns in one step. Nothing where it would change nothing. */
  columns(from: string, matrix: readonly (readonly number[])[]): string {
    const width = matrix[0]!.length;
    const isIdentity = matrix.length === width && matrix.every((row, i) => row.every((factor, j) => factor === (i === j ? 1 : 0)));
    return isIdentity ? from : this.node('MatMul', [from, { floats: matrix.flat(), dims: [matrix.length, width] }]);
  }

  /** Picks along an axis. */
  gather(from: string, indexes: readonly number[], axis: number): string {
    return this.node('Gather', [from, { ints: indexes }], { axis: { i: axis } });
  }
}

/**
 * Puts a tail behind a model, in place: its outputs become those of the tail, and what only other outputs needed goes.
 *
 * @throws AppError ERR_MODEL_UNSUPPORTED_OP where the graph has a tensor of a name that the tail needs.
 */
export function applyTail(model: ModelProto, { steps, outputs }: HeadTail): void {
  const editor = new GraphEditor(model);
  const given = new Map((editor.graph.output ?? []).map((value) => [value.name!, value]));
  for (const { output } of steps) {
    if (editor.freeName(output) !== output) throw new AppError('ERR_MODEL_UNSUPPORTED_OP', `The model has a tensor named ${output} already`, { fix: 'Export the model anew from its source.' });
  }
  const nodes = steps.map(({ op, inputs, attributes, output }) => {
    const names = inputs.map((input, i) => (typeof input === 'string' ? input : editor.addConstant(constantTensor(editor.freeName(`${output}_${i}`), input))));
    return makeNode(op, output, names, [output], attributes);
  });
  editor.graph.output = outputs.map(({ name, dims }) => given.get(name) ?? makeValueInfo(name, 'float32', dims));
  editor.insert(...nodes);
  editor.removeUnused();
}

function constantTensor(name: string, constant: TailConstant): ReturnType<typeof makeTensor> {
  if ('ints' in constant) return makeTensor(name, 'int64', [constant.ints.length], BigInt64Array.from(constant.ints, BigInt));
  if ('cells' in constant) return makeTensor(name, 'float32', [1, constant.cells.columns * constant.cells.rows, 4], cellCentres(constant.cells));
  return makeTensor(name, 'float32', constant.dims, Float32Array.from(constant.floats));
}

function cellCentres({ columns, rows, stride }: { readonly columns: number; readonly rows: number; readonly stride: number }): Float32Array {
  const centres = new Float32Array(columns * rows * 4);
  for (let cell = 0; cell < columns * rows; cell += 1) {
    centres[4 * cell] = ((cell % columns) + 0.5) * stride;
    centres[4 * cell + 1] = (Math.floor(cell / columns) + 0.5) * stride;
  }
  return centres;
}

/** For people: `Transpose, MatMul, Concat`. */
export function tailText({ steps }: HeadTail): string {
  return steps.map(({ op }) => op).join(', ');
}
