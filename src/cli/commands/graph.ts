import type { Command } from 'commander';
import { describeGraph, graphToText } from '../../graph/describe.js';
import { toDot, toMermaid } from '../../server/graph-text.js';
import { DEFAULT_MODEL, definitionOf } from '../definitions.js';
import { deliveryOf, locationOf } from '../sources.js';
import { checkStages, overflowOf } from '../stages.js';
import type { StageDefinition } from '../../config/stream-definition.js';
import { DEFAULT_OCCUPANCY_MODEL } from '../stereo/occupancy-options.js';
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
      checkStages(stages, undefined, source.kind === 'stereo');
      const delivery = deliveryOf(source);
      const graph = describeGraph({
        name,
        source: { kind: source.kind, location: locationOf(source) },
        stages: stages.map((stage) => ({ id: stage.id, overflow: overflowOf(stage, delivery), stage: { kind: stage.kind }, ...detailOf(stage) })),
        sinks: [{ kind: 'ws' }],
        model: modelName(stages.find(({ kind }) => kind === 'detector.yolo')?.options?.['model']),
      });
      const text = json ? JSON.stringify(graph, null, 2) : dot ? toDot([graph]) : mermaid ? toMermaid([graph]) : graphToText(graph);
      print(text.trimEnd());
    });
}

/** A stage with a model of its own. */
function detailOf({ kind, options }: StageDefinition): { readonly detail?: string } {
  const model = options?.['model'];
  return kind === 'occupancy.stereo' ? { detail: typeof model === 'string' ? model : DEFAULT_OCCUPANCY_MODEL } : {};
}

function modelName(model: unknown): string {
  return typeof model === 'string' ? model : DEFAULT_MODEL;
}
