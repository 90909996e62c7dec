import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { inspectModel } from '../../../onnx/inspect.js';
import { openStore } from '../../models.js';
import { bold, print, textTable } from '../../terminal.js';

const OPERATORS_SHOWN = 8;

export function addInspect(models: Command): void {
  models.command('inspect').description('Show what a model is: input, head, operators, size, lineage.').argument('<id>', 'id or path').option('--json', 'print JSON').action(inspect);
}

async function inspect(id: string, { json }: { json?: boolean }): Promise<void> {
  const { manifest, modelPath, folder } = await openStore().resolve(id);
  const facts = inspectModel(await readFile(modelPath));
  if (json) {
    print(JSON.stringify({ manifest, facts }, null, 2));
    return;
  }
  const { input, head, labels, lineage, baseline } = manifest;
  const operators = facts.opCounts.slice(0, OPERATORS_SHOWN).map(([type, count]) => `${count} ${type}`);
  const rows = [
    ['title', manifest.title],
    ['licence', manifest.licence],
    ['folder', folder],
    ['input', `${input.width}x${input.height} ${input.color}, (pixel - ${input.mean.join('/')}) * ${input.scale.toPrecision(4)}, ${input.fit}`],
    ['head', `${head.kind}${head.scales ? `, strides ${head.scales.map(({ stride }) => stride).join(' ')}` : ''}`],
    ...(head.scales?.some(({ anchors }) => anchors) ? [['anchors', head.scales.map(({ anchors = [] }) => anchors.map((pair) => pair.map((side) => Math.round(side)).join('x')).join(' ')).join(' | ')]] : []),
    ['classes', labels.length > 6 ? `${labels.length}: ${labels.slice(0, 6).join(', ')}, ...` : labels.join(', ')],
    ['parameters', `${(facts.parameters / 1e6).toFixed(2)} M`],
    ['operators', operators.join(', ')],
    ['opset', String(facts.opset)],
    ['sha256', manifest.sha256],
    ['origin', lineage.origin],
    ['lineage', [lineage.parent ?? '', ...lineage.operations.map(({ kind }) => kind)].filter(Boolean).join(' > ') || '-'],
    ['baseline', baseline ? `${baseline.dataset}: mAP50 ${baseline.map50 ?? '-'}, mAP50-95 ${baseline.map5095 ?? '-'}` : 'not measured'],
  ];
  print(`${bold(manifest.id)}\n${textTable(['', ''], rows).split('\n').slice(2).join('\n')}`);
}
