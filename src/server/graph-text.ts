import type { GraphDescription } from '../core/stream-view.js';

/** Running streams in Graphviz' language. */
export function toDot(graphs: readonly GraphDescription[]): string {
  const clusters = graphs.map(({ stream, nodes, edges }, index) => {
    const lines = [
      `label=${quote(stream)}`,
      ...nodes.map(({ id, kind, detail }) => `${quote(`${stream}/${id}`)} [label=${quote(`${id}\n${kind}${detail && `\n${detail}`}`)}]`),
      ...edges.map(({ from, to, overflow, capacity }) => `${quote(`${stream}/${from}`)} -> ${quote(`${stream}/${to}`)} [label=${quote(edgeLabel(overflow, capacity))}]`),
    ];
    return `  subgraph cluster_${index} {\n${lines.map((line) => `    ${line}\n`).join('')}  }\n`;
  });
  return `digraph lynceus {\n  rankdir=LR\n  node [shape=box]\n${clusters.join('')}}\n`;
}

/** Running streams as a Mermaid flow chart. */
export function toMermaid(graphs: readonly GraphDescription[]): string {
  const parts = graphs.map(({ stream, nodes, edges }, index) => {
    const name = new Map(nodes.map(({ id }, i) => [id, `s${index}n${i}`]));
    const lines = [
      ...nodes.map(({ id, kind, detail }) => `${name.get(id)}["${[id, kind, detail].filter(Boolean).map(escapeMermaid).join('<br>')}"]`),
      ...edges.map(({ from, to, overflow, capacity }) => `${name.get(from)} -->|"${escapeMermaid(edgeLabel(overflow, capacity))}"| ${name.get(to)}`),
    ];
    return `  subgraph s${index}["${escapeMermaid(stream)}"]\n${lines.map((line) => `    ${line}\n`).join('')}  end\n`;
  });
  return `flowchart LR\n${parts.join('')}`;
}

/** Capacity 0 is as many as the source's pool has buffers; one waiting frame goes without saying. */
function edgeLabel(overflow: string, capacity: number): string {
  return capacity > 1 && !overflow.includes(String(capacity)) ? `${overflow}, ${capacity} waiting` : overflow;
}

function quote(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
}

function escapeMermaid(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
