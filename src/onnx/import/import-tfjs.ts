import { AppError } from '../../core/errors.js';
import { GraphBuilder } from '../graph-builder.js';
import { parseTopology, type TfNode } from './tfjs-node.js';
import { TF_OPS, unsupported } from './tfjs-ops.js';
import { inTfOrder, toNchw, type TfValue } from './tfjs-values.js';
import { readTfjsWeights, type ReadShard } from './tfjs-weights.js';

export interface TfjsOptions {
  /** Names of the tensors to keep; what nothing of these needs is left out. */
  readonly outputs: readonly string[];
}

export interface TfjsModel {
  readonly onnx: Uint8Array;
  readonly input: { readonly name: string; readonly width: number; readonly height: number };
  /** TensorFlow's shapes. */
  readonly outputs: readonly { readonly name: string; readonly dims: readonly number[] }[];
}

/** Name of the picture in what the importer writes. */
const INPUT_NAME = 'images';

/**
 * Turns a tfjs graph-model with a fixed-size picture as its input into ONNX. The input becomes float32 [1, 3, H, W]; outputs keep
 * TensorFlow's order of dimensions, and the last part of their names.
 *
 * @param json text of `model.json`; @param readShard gives the bytes of a weight file that it names.
 * @throws AppError ERR_MODEL_UNSUPPORTED_OP that names the operation, ERR_MODEL_IMPORT where the files don't fit each other.
 */
export function importTfjs(json: string, readShard: ReadShard, { outputs }: TfjsOptions): TfjsModel {
  const model = parseModel(json);
  const builder = new GraphBuilder('tfjs');
  const graph: Graph = { nodes: parseTopology(model), weights: readTfjsWeights(model.weightsManifest, readShard), values: new Map(), builder };
  const picture = importPlaceholder(graph);
  const results = outputs.map((name) => ({ name: name.replace(/^.*\//, ''), value: valueOf(graph, name) }));
  for (const { name, value } of results) builder.output(inTfOrder(value, builder), 'float32', value.shape, name);
  const [, height, width] = picture;
  return { onnx: builder.build(), input: { name: INPUT_NAME, width: width!, height: height! }, outputs: results.map(({ name, value }) => ({ name, dims: value.shape })) };
}

interface Graph {
  readonly nodes: ReadonlyMap<string, TfNode>;
  readonly weights: ReadonlyMap<string, TfValue>;
  /** Outputs of the nodes that have been written. */
  readonly values: Map<string, readonly TfValue[]>;
  readonly builder: GraphBuilder;
}

function parseModel(json: string): { format?: unknown; modelTopology?: unknown; weightsManifest?: unknown } {
  try {
    const model: unknown = JSON.parse(json);
    if (typeof model === 'object' && model !== null) return model;
    throw new Error('no object');
  } catch (cause) {
    throw new AppError('ERR_MODEL_IMPORT', `model.json is not JSON: ${(cause as Error).message}`, { cause, fix: 'Download the model anew.' });
  }
}

/** Declares the input; gives TensorFlow's shape of it. */
function importPlaceholder({ nodes, values, builder }: Graph): readonly number[] {
  const placeholders = [...nodes.values()].filter(({ op }) => op === 'Placeholder');
  const [picture] = placeholders;
  const shape = picture?.shape('shape') ?? [];
  const [batch, height = 0, width = 0, channels] = shape;
  if (!picture || placeholders.length > 1 || shape.length !== 4 || batch !== 1 || channels !== 3 || height < 1 || width < 1) {
    throw new AppError('ERR_MODEL_IMPORT', `Expected one input of [1, height, width, 3] but found ${placeholders.map((node) => `${node.name} [${node.shape('shape').join()}]`).join(', ') || 'none'}`);
  }
  values.set(picture.name, [{ tensor: builder.input(INPUT_NAME, 'float32', toNchw(shape)), shape, dtype: 'float32', layout: 'nchw' }]);
  return shape;
}

/** A tensor by its name (`node` or `node:1`), after everything that it needs has been written. */
function valueOf(graph: Graph, tensor: string): TfValue {
  const [name = '', port = '0'] = tensor.split(':');
  const constant = graph.weights.get(name);
  const outputs = graph.values.get(name);
  if (!constant && !outputs) writeWithInputs(graph, name);
  const value = constant ?? graph.values.get(name)?.[Number(port)];
  if (!value) throw new AppError('ERR_MODEL_IMPORT', `The graph has no tensor ${tensor}`);
  return value;
}

/** Depth first, with a list of its own: graphs are deeper than the stack likes. */
function writeWithInputs(graph: Graph, name: string): void {
  const pending = [name];
  const entered = new Set<string>();
  while (pending.length > 0) {
    const current = pending.at(-1)!;
    const missing = graph.values.has(current) ? [] : inputNodes(graph, current).filter((input) => !graph.values.has(input) && !graph.weights.has(input));
    if (missing.length === 0) {
      pending.pop();
      if (!graph.values.has(current)) writeNode(graph, nodeAt(graph, current));
    } else if (entered.has(current)) {
      throw new AppError('ERR_MODEL_IMPORT', `The graph has a loop at ${current}`);
    } else {
      entered.add(current);
      pending.push(...missing);
    }
  }
}

function writeNode({ weights, values, builder }: Graph, node: TfNode): void {
  const importOp = TF_OPS[node.op];
  if (!importOp) throw unsupported(node, '(no importer)');
  const inputs = node.inputs.map((tensor) => {
    const [name = '', port = '0'] = tensor.split(':');
    return weights.get(name) ?? values.get(name)![Number(port)]!;
  });
  values.set(node.name, importOp(node, inputs, builder));
}

function inputNodes(graph: Graph, name: string): string[] {
  return nodeAt(graph, name).inputs.map((tensor) => tensor.split(':')[0]!);
}

function nodeAt({ nodes }: Graph, name: string): TfNode {
  const node = nodes.get(name);
  if (!node) throw new AppError('ERR_MODEL_IMPORT', `The graph has no node ${name}`, { fix: 'The model file is damaged; download it anew.' });
  return node;
}
