import { AppError } from '../../core/errors.js';

/** A node as the `modelTopology` of a graph-model has it; attributes are protobuf's JSON. */
interface RawNode {
  readonly name: string;
  readonly op: string;
  readonly input?: readonly string[];
  readonly attr?: Readonly<Record<string, RawAttribute>>;
}

interface RawAttribute {
  readonly s?: string;
  readonly i?: string | number;
  readonly b?: boolean;
  readonly type?: string;
  readonly shape?: { readonly dim?: readonly { readonly size: string | number }[] };
  readonly list?: { readonly s?: readonly string[]; readonly i?: readonly (string | number)[] };
}

/** A TensorFlow operation with readers of its attributes. */
export class TfNode {
  readonly name: string;
  readonly op: string;
  /** Tensors it reads, as `name` or `name:1`; control inputs are left out, as nothing here has side effects. */
  readonly inputs: readonly string[];
  readonly #attributes: Readonly<Record<string, RawAttribute>>;

  constructor({ name, op, input = [], attr = {} }: RawNode) {
    this.name = name;
    this.op = op;
    this.inputs = input.filter((tensor) => !tensor.startsWith('^')).map((tensor) => tensor.replace(/:0$/, ''));
    this.#attributes = attr;
  }

  text(key: string, otherwise: string): string {
    const value = this.#attributes[key]?.s;
    return value === undefined ? otherwise : decodeText(value);
  }

  texts(key: string): string[] {
    return (this.#attributes[key]?.list?.s ?? []).map(decodeText);
  }

  ints(key: string): number[] {
    return (this.#attributes[key]?.list?.i ?? []).map(Number);
  }

  int(key: string, otherwise: number): number {
    return Number(this.#attributes[key]?.i ?? otherwise);
  }

  bool(key: string): boolean {
    return this.#attributes[key]?.b ?? false;
  }

  /** `DT_FLOAT` and such. */
  type(key: string): string {
    return this.#attributes[key]?.type ?? '';
  }

  shape(key: string): number[] {
    return (this.#attributes[key]?.shape?.dim ?? []).map(({ size }) => Number(size));
  }
}

/**
 * Nodes of a tfjs graph-model by name.
 *
 * @throws AppError ERR_MODEL_IMPORT where the JSON is another format (a layers-model, say).
 */
export function parseTopology(model: { readonly format?: unknown; readonly modelTopology?: unknown }): Map<string, TfNode> {
  const topology = model.modelTopology as { readonly node?: unknown } | undefined;
  if (!Array.isArray(topology?.node)) {
    throw new AppError('ERR_MODEL_IMPORT', `Expected a tfjs graph-model but found ${typeof model.format === 'string' ? model.format : 'no graph'}`, {
      fix: 'Convert the model with tensorflowjs_converter --output_format=tfjs_graph_model.',
    });
  }
  return new Map((topology.node as RawNode[]).map((node) => [node.name, new TfNode(node)]));
}

/** Protobuf's JSON has bytes as base64. */
function decodeText(base64: string): string {
  return Buffer.from(base64, 'base64').toString();
}
