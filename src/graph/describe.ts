import type { Overflow } from '../core/overflow.js';
import type { GraphDescription } from '../core/stream-view.js';

/** What a description needs of a stream: a plan has it, and so has a definition that doesn't run yet. */
export interface DescribedStream {
  readonly name: string;
  readonly source: { readonly kind: string; readonly location: string };
  readonly stages: readonly { readonly id: string; readonly overflow: Overflow; readonly stage: { readonly kind: string }; readonly detail?: string | undefined }[];
  readonly sinks: readonly { readonly kind: string }[];
  readonly model: string;
}

/** A stream's graph, as nodes and edges. */
export function describeGraph({ name, source, stages, sinks, model }: DescribedStream): GraphDescription {
  const ids = ['source', ...stages.map(({ id }) => id), 'deliver'];
  const nodes = [
    { id: 'source', kind: `source.${source.kind}`, detail: source.location },
    ...stages.map(({ id, stage, detail }) => ({ id, kind: stage.kind, detail: detail ?? model })),
    { id: 'deliver', kind: 'deliver', detail: 'frames leave in order' },
    ...sinks.map(({ kind }) => ({ id: `sink.${kind}`, kind: `sink.${kind}`, detail: '' })),
  ];
  const edges = [
    ...stages.map(({ id, overflow }, i) => ({ from: ids[i]!, to: id, overflow: overflowText(overflow), capacity: capacityOf(overflow) })),
    { from: ids[ids.length - 2]!, to: 'deliver', overflow: 'block', capacity: 0 },
    ...sinks.map(({ kind }) => ({ from: 'deliver', to: `sink.${kind}`, overflow: 'block', capacity: 0 })),
  ];
  return { stream: name, nodes, edges };
}

function overflowText(overflow: Overflow): string {
  return typeof overflow === 'object' ? `buffer ${overflow.buffer}` : overflow;
}

/** How many frames may wait at the edge; 0 is as many as the source's pool has buffers. */
function capacityOf(overflow: Overflow): number {
  if (typeof overflow === 'object') return overflow.buffer;
  return overflow === 'block' ? 0 : 1;
}

/** The graph for people at a terminal: one line a node, the edge's policy on the arrow. */
export function graphToText({ stream, nodes, edges }: GraphDescription): string {
  const lines = nodes.map(({ id, kind, detail }) => {
    const edge = edges.find(({ to }) => to === id);
    const arrow = edge ? `  ${edge.from} ──${edge.overflow}──> ` : '  ';
    return `${arrow}${id}  (${[kind, detail].filter(Boolean).join(', ')})`;
  });
  return `${stream}\n${lines.join('\n')}\n`;
}
