import type { Command } from 'commander';
import { describeGraph, graphToText } from '../../graph/describe.js';
import { toDot, toMermaid } from '../../server/graph-text.js';
import { redactUrl } from '../../sources/redact.js';
import { DEFAULT_MODEL, definitionOf } from '../definitions.js';
import { deliveryOf } from '../sources.js';
import { checkStages, overflowOf } from '../stages.js';
import { print } from '../terminal.js';

export function addGraph(program: Command): void {
  program
    .command('graph')
    .description('Print the graph that a stream runs as: stages, edges and what each edge does when it overflows.')
    .argument('<stream>', 'as for run')
    .option('--guard', 'with a guard after each detector, as run --guard has it')
    .option('--json', 'as JSON')
    .option('--dot', 'in the language of Graphviz')
    .option('--mermaid', 'as a Mermaid flow chart')
    .action(async (input: string, { guard, json, dot, mermaid }: { guard?: boolean; json?: boolean; dot?: boolean; mermaid?: boolean }) => {
      const { name, source, stages } = await definitionOf(input, { guard });
      checkStages(stages);
      const delivery = deliveryOf(source);
      const graph = describeGraph({
        name,
        source: { kind: source.kind, location: 'path' in source ? source.path : redactUrl(source.url) },
        stages: stages.map((stage) => ({ id: stage.id, overflow: overflowOf(stage, delivery), stage: { kind: stage.kind } })),
        sinks: [{ kind: 'ws' }],
        model: modelName(stages[0]?.options?.['model']),
      });
      const text = json ? JSON.stringify(graph, null, 2) : dot ? toDot([graph]) : mermaid ? toMermaid([graph]) : graphToText(graph);
      print(text.trimEnd());
    });
}

function modelName(model: unknown): string {
  return typeof model === 'string' ? model : DEFAULT_MODEL;
}
