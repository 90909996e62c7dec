import { OfflineSession, type GraphOptimization } from '../../../src/inference/offline-session.js';
import { GraphBuilder } from '../../../src/onnx/graph-builder.js';
import { decodeModel, encodeModel, type ModelProto } from '../../../src/onnx/model-proto.js';

/** Numbers from -1 to 1, the same on every machine. */
export function numbers(count: number, seed: number): Float32Array {
  let state = (seed * 2654435761) >>> 0 || 1;
  return Float32Array.from({ length: count }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 31 - 1;
  });
}

/** One float input through a model; its first output. */
export async function runFloat(model: Uint8Array, dims: readonly number[], data: Float32Array, optimization: GraphOptimization = 'all'): Promise<Float32Array> {
  const session = await OfflineSession.create(model, { threads: 1, optimization });
  try {
    const outputs = await session.run({ [session.inputNames[0]!]: { type: 'float32', dims, data } });
    return outputs[session.outputNames[0]!]!.data as Float32Array;
  } finally {
    await session.release();
  }
}

/** Builds a graph, lets `change` work on a decoded copy, and gives both. */
export function changed(build: (graph: GraphBuilder) => void, change: (model: ModelProto) => void): { readonly before: Uint8Array; readonly after: Uint8Array } {
  const graph = new GraphBuilder('test');
  build(graph);
  const before = graph.build();
  const model = decodeModel(before);
  change(model);
  return { before, after: encodeModel(model) };
}

/** Largest difference, relative to the largest value. */
export function distance(a: Float32Array, b: Float32Array): number {
  const size = Math.max(1e-6, ...a.map(Math.abs));
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!))) / size;
}
