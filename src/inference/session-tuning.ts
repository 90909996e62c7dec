import type { InferenceSession } from 'onnxruntime-node';

/** What onnxruntime does to a graph before it runs it: `none` runs it as it is written. */
export type GraphOptimization = 'none' | 'basic' | 'extended' | 'all';

export const GRAPH_OPTIMIZATIONS: readonly GraphOptimization[] = ['none', 'basic', 'extended', 'all'];

/** What a session is told besides its threads. What is left out is as in every stream. */
export interface SessionTuning {
  /** Threads that have nothing to do look for work all the time instead of sleeping. Only a session of several threads has such. Default false. */
  readonly spinning?: boolean | undefined;
  /** Memory of tensors is kept between runs instead of being given back. Default true. */
  readonly memoryArena?: boolean | undefined;
  /** Default `all`. */
  readonly optimization?: GraphOptimization | undefined;
}

/** The same in onnxruntime's words. */
export function tuningOptions({ spinning = false, memoryArena = true, optimization = 'all' }: SessionTuning): InferenceSession.SessionOptions {
  const allowSpinning = spinning ? '1' : '0';
  return {
    graphOptimizationLevel: optimization === 'none' ? 'disabled' : optimization,
    enableCpuMemArena: memoryArena,
    // Threads that spin take the cores from decoding and from the event loop, for nothing where frames come at a camera's pace.
    extra: { session: { intra_op: { allow_spinning: allowSpinning }, inter_op: { allow_spinning: allowSpinning } } },
  };
}
