/** The six points of view that a pipeline's times are explained from. */
export const PERSPECTIVES = ['data', 'io', 'model', 'runtime', 'hardware', 'end-to-end'] as const;
export type Perspective = (typeof PERSPECTIVES)[number];

/**
 * What a frame spent its time on.
 *
 * `halted`: the whole process stood still (a quota, a stopped machine, a stolen core). `off-cpu`: a thread that the frame needed was ready
 * to run and was not let run, since others than us had the processors. `own-threads`: the same, but our own threads had them: those of
 * other streams and sessions, and those that collect garbage beside the main thread. `gc`: garbage collection on the main thread. `event-loop`: the main thread was busy with something else.
 * `queue`: it waited for frames before it. `content`: the part of post-processing that grows with the boxes. `io`: bytes that were not
 * there yet. `delivery`: on its way to the subscriber. `compute`: everything else that a stage did.
 */
export const CAUSES = ['content', 'io', 'compute', 'queue', 'gc', 'event-loop', 'own-threads', 'off-cpu', 'halted', 'delivery'] as const;
export type Cause = (typeof CAUSES)[number];

/** From which point of view a cause is seen. */
export const PERSPECTIVE_OF: Readonly<Record<Cause, Perspective>> = {
  content: 'data',
  io: 'io',
  compute: 'model',
  queue: 'runtime',
  gc: 'runtime',
  'event-loop': 'runtime',
  'own-threads': 'runtime',
  'off-cpu': 'hardware',
  halted: 'hardware',
  delivery: 'end-to-end',
};
