import { AppError } from '../core/errors.js';
import { attributeOf, dimsOf, feedsOf, floatData, graphOf, makeTensor, type GraphProto, type ModelProto, type NodeProto, type TensorProto } from './model-proto.js';

/**
 * A graph that is being changed: finds its way by name and keeps the file consistent. Indexes are made anew after each change of the
 * nodes, so ask it again rather than keeping what it said. Nodes themselves may be changed in place, `changed()` told after it.
 */
export class GraphEditor {
  readonly graph: GraphProto;
  #producers: Map<string, NodeProto> | undefined;
  #consumers: Map<string, NodeProto[]> | undefined;
  #initializers: Map<string, TensorProto> | undefined;
  #names: Set<string> | undefined;

  constructor(model: ModelProto) {
    this.graph = graphOf(model);
  }

  get nodes(): readonly NodeProto[] {
    return this.graph.node ?? [];
  }

  /** Forgets all indexes: call it after changing a node's inputs or outputs in place. */
  changed(): void {
    this.#producers = this.#consumers = this.#initializers = this.#names = undefined;
  }

  /** The node that computes `tensor`; undefined for inputs and initializers. */
  producerOf(tensor: string): NodeProto | undefined {
    this.#producers ??= new Map(this.nodes.flatMap((node) => node.output!.map((name) => [name, node] as const)));
    return this.#producers.get(tensor);
  }

  /** Nodes that read `tensor`, each once, in order. */
  consumersOf(tensor: string): readonly NodeProto[] {
    this.#consumers ??= groupConsumers(this.nodes);
    return this.#consumers.get(tensor) ?? [];
  }

  isOutput(tensor: string): boolean {
    return this.graph.output?.some(({ name }) => name === tensor) ?? false;
  }

  /** Read by exactly one node and no output of the graph: what computes it may be merged into its reader. */
  hasOneReader(tensor: string): boolean {
    return this.consumersOf(tensor).length === 1 && !this.isOutput(tensor);
  }

  /** An initializer or the value of a Constant node. */
  constant(name: string | undefined): TensorProto | undefined {
    if (!name) return undefined;
    this.#initializers ??= new Map((this.graph.initializer ?? []).map((tensor) => [tensor.name!, tensor]));
    const initializer = this.#initializers.get(name);
    if (initializer) return initializer;
    const producer = this.producerOf(name);
    return producer?.opType === 'Constant' ? (attributeOf(producer, 'value')?.t ?? undefined) : undefined;
  }

  /** @throws AppError ERR_MODEL_UNSUPPORTED_OP naming the node where input `index` is no float32 constant. */
  floats(node: NodeProto, index: number): { readonly dims: readonly number[]; readonly data: Float32Array } {
    const tensor = this.constant(node.input?.[index]);
    if (!tensor) throw unsupported(node, `its input ${index} is computed, not constant`);
    return { dims: dimsOf(tensor), data: floatData(tensor) };
  }

  /** Gives input `index` of `node` a constant of its own: others that read the old one keep it. */
  setFloats(node: NodeProto, index: number, dims: readonly number[], data: Float32Array): void {
    this.setConstant(node, index, makeTensor(this.freeName(`${node.output![0]!}_${index}`), 'float32', dims, data));
  }

  setConstant(node: NodeProto, index: number, tensor: TensorProto): void {
    this.graph.initializer = [...(this.graph.initializer ?? []), tensor];
    while (node.input!.length <= index) node.input!.push('');
    node.input![index] = tensor.name!;
    this.changed();
  }

  addConstant(tensor: TensorProto): string {
    this.graph.initializer = [...(this.graph.initializer ?? []), tensor];
    this.changed();
    return tensor.name!;
  }

  /** A name that no tensor of the graph has, made of `base`. */
  freeName(base: string): string {
    this.#names ??= new Set([
      ...this.nodes.flatMap(({ input = [], output = [] }) => [...input!, ...output!]),
      ...(this.graph.initializer ?? []).map(({ name }) => name!),
      ...(this.graph.input ?? []).map(({ name }) => name!),
    ]);
    let name = base;
    for (let i = 1; this.#names.has(name); i += 1) name = `${base}_${i}`;
    this.#names.add(name);
    return name;
  }

  /** Nodes that read `from` read `to` from now on, but for those of `except`. Outputs of the graph keep their names. */
  redirect(from: string, to: string, except: ReadonlySet<NodeProto> = new Set()): void {
    for (const node of this.consumersOf(from)) if (!except.has(node)) node.input = node.input!.map((name) => (name === from ? to : name));
    this.changed();
  }

  /** Puts nodes where the order of execution wants them: after what they read, as early as that allows. */
  insert(...nodes: readonly NodeProto[]): void {
    this.graph.node = [...this.nodes, ...nodes];
    this.sort();
  }

  /** Takes nodes out; their readers have to have been redirected. */
  remove(...nodes: readonly NodeProto[]): void {
    const gone = new Set(nodes);
    this.graph.node = this.nodes.filter((node) => !gone.has(node));
    this.changed();
  }

  /** The order of execution, stable where it leaves a choice. @throws AppError ERR_MODEL_CORRUPT where the graph has a cycle */
  sort(): void {
    const sorted: NodeProto[] = [];
    const state = new Map<NodeProto, 'open' | 'done'>();
    this.changed();
    // Depth first with a stack of its own: detectors are deeper than the call stack likes.
    for (const root of this.nodes) {
      const stack = [root];
      while (stack.length > 0) {
        const node = stack.at(-1)!;
        if (state.get(node) === 'done') {
          stack.pop();
          continue;
        }
        state.set(node, 'open');
        const waiting = this.#dependenciesOf(node).filter((other) => state.get(other) !== 'done');
        if (waiting.length === 0) {
          state.set(node, 'done');
          sorted.push(node);
          stack.pop();
          continue;
        }
        if (waiting.some((other) => state.get(other) === 'open')) throw new AppError('ERR_MODEL_CORRUPT', `The graph has a cycle through ${nodeName(node)}`);
        stack.push(...waiting.reverse());
      }
    }
    this.graph.node = sorted;
    this.changed();
  }

  /** Drops nodes and constants that no output needs, and what the exporter noted about tensors that are gone. */
  removeUnused(): void {
    const needed = new Set((this.graph.output ?? []).map(({ name }) => name!));
    const kept: NodeProto[] = [];
    for (const node of this.nodes.toReversed()) {
      if (!node.output!.some((name) => needed.has(name))) continue;
      kept.push(node);
      for (const name of [...(node.input ?? []), ...capturedNames(node)]) needed.add(name);
    }
    this.graph.node = kept.reverse();
    // Before constants go: an old-style file lists them as inputs, too, and one without its value would have to be fed.
    const feeds = new Set(feedsOf(this.graph).map(({ name }) => name));
    this.graph.initializer = (this.graph.initializer ?? []).filter(({ name }) => needed.has(name!));
    const constants = new Set(this.graph.initializer.map(({ name }) => name));
    this.graph.input = (this.graph.input ?? []).filter(({ name }) => feeds.has(name) || constants.has(name));
    const computed = new Set(kept.flatMap(({ output }) => output!));
    this.graph.valueInfo = (this.graph.valueInfo ?? []).filter(({ name }) => computed.has(name!));
    this.changed();
  }

  #dependenciesOf(node: NodeProto): NodeProto[] {
    return [...node.input!, ...capturedNames(node)].map((name) => this.producerOf(name)).filter((producer) => producer !== undefined && producer !== node) as NodeProto[];
  }
}

/** For messages: a node's own name, or its operator and output where it has none. */
export function nodeName({ name, opType, output }: NodeProto): string {
  return name ? `${name} (${opType ?? '?'})` : `${opType ?? '?'} of ${output?.[0] ?? '?'}`;
}

/** @returns ERR_MODEL_UNSUPPORTED_OP that names the node */
export function unsupported(node: NodeProto, why: string): AppError {
  return new AppError('ERR_MODEL_UNSUPPORTED_OP', `Node ${nodeName(node)}: ${why}`, { fix: 'lynceus models inspect shows what the graph is made of.' });
}

/** What the branches of an If or the body of a Loop read from around them. */
function capturedNames(node: NodeProto): string[] {
  const subgraphs = (node.attribute ?? []).flatMap(({ g, graphs }) => [...(g ? [g] : []), ...(graphs ?? [])]);
  return subgraphs.flatMap((graph) => (graph.node ?? []).flatMap((inner) => [...(inner.input ?? []), ...capturedNames(inner)]));
}

function groupConsumers(nodes: readonly NodeProto[]): Map<string, NodeProto[]> {
  const consumers = new Map<string, NodeProto[]>();
  for (const node of nodes) {
    for (const name of new Set(node.input)) {
      const list = consumers.get(name);
      if (list) list.push(node);
      else consumers.set(name, [node]);
    }
  }
  return consumers;
}
