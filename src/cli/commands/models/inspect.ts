import { readFile, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { Assumption } from '../../../core/assumption.js';
import { AppError } from '../../../core/errors.js';
import type { ElasticRatio, ModelManifest } from '../../../core/manifest.js';
import { anchorText, assumptionsOf } from '../../../model-store/assumptions.js';
import { ratiosOf } from '../../../model-store/elastic.js';
import { selfCheck, SELF_CHECK_FILE, SELF_CHECK_STEP, type SelfCheckReport } from '../../../model-store/self-check.js';
import type { ModelStore } from '../../../model-store/store.js';
import { inspectModel, type ModelFacts } from '../../../onnx/inspect.js';
import { prepareInput } from '../../../onnx/prepare/prepare-input.js';
import { openStore } from '../../models.js';
import { bold, print, textTable } from '../../terminal.js';
import { guardFacts, guardText, type GuardFacts } from './guard-facts.js';
import { occupancyText } from './inspect-occupancy.js';
import { addModelOptions, toAddOptions, type ModelOptions } from './model-options.js';
import { saySelfCheck } from './self-check-text.js';

const OPERATORS_SHOWN = 8;

interface InspectOptions extends ModelOptions {
  json?: boolean;
  selfCheck?: string;
}

/** A model as it is shown, installed or not. */
interface Inspected {
  readonly manifest: ModelManifest;
  readonly onnx: Uint8Array;
  /** Undefined for a file that was not added. */
  readonly folder: string | undefined;
}

export function addInspect(models: Command): void {
  const command = models
    .command('inspect')
    .description('Show what a model is, what was assumed of it and why: input, head, preparation, operators, cost, lineage.')
    .argument('<id>', 'id, or path of a model that need not be added (then with the options of add)');
  addModelOptions(command)
    .option('--self-check <file>', 'try it on a picture and draw what it finds into this PNG file')
    .option('--json', 'print JSON')
    .action(inspect);
}

async function inspect(id: string, { json, selfCheck: pngPath, ...options }: InspectOptions): Promise<void> {
  const store = openStore();
  const listed = (await store.list()).find((model) => model.id === id);
  if (listed?.occupancy) {
    const model = await store.resolveOccupancy(id);
    print(json ? JSON.stringify({ manifest: model.manifest, folder: model.folder }, null, 2) : occupancyText(model));
    return;
  }
  const { manifest, onnx, folder } = await openModel(store, id, options);
  const ratios = folder === undefined ? [] : await ratiosOf(folder, manifest);
  const facts = inspectModel(onnx);
  const macs = macsOf(onnx, manifest);
  const assumptions = assumptionsOf(manifest);
  const guard = await guardFacts(store, folder === undefined ? undefined : id, manifest, onnx);
  const checked = pngPath === undefined ? undefined : await selfCheck({ manifest, onnx }, options.testImage);
  if (checked) await writeFile(pngPath!, checked.png);
  const report = checked?.report ?? keptReport(manifest);
  if (json) {
    print(JSON.stringify({ manifest, facts: { ...facts, convolutionMacs: macs }, ratios, assumptions, selfCheck: report ?? null, guard }, null, 2));
    return;
  }
  print(`${bold(manifest.id)}\n${rowsText([...factRows(manifest, facts, macs, folder, report, guard), ...ratioRows(ratios)])}\n\n${assumptionText(assumptions)}`);
  if (checked) saySelfCheck(checked.report, pngPath!);
}

/** Installed, or understood for the moment: options that change how a model is read make sense for a path only. */
async function openModel(store: ModelStore, id: string, options: ModelOptions): Promise<Inspected> {
  const { testImage: _, ...reading } = options;
  const isAsked = Object.keys(reading).length > 0;
  if (/\.(onnx|cfg|weights)$/i.test(id) && existsSync(id)) return { ...(await store.draft(id, toAddOptions(options))), folder: undefined };
  if (isAsked) throw new AppError('ERR_USAGE', `--${Object.keys(reading)[0]!} is for files that were not added yet, ${id} is none`, { fix: 'Remove the model and add it again with the option.' });
  const { manifest, modelPath, folder } = await store.resolve(id);
  return { manifest, onnx: await readFile(modelPath), folder };
}

/** As it runs, at the size of the manifest: files may leave it open. */
function macsOf(onnx: Uint8Array, { input }: ModelManifest): number | undefined {
  return inspectModel(prepareInput(onnx, input)).convolutionMacs;
}

function keptReport({ lineage }: ModelManifest): SelfCheckReport | undefined {
  return lineage.operations.findLast(({ kind }) => kind === SELF_CHECK_STEP) as unknown as SelfCheckReport | undefined;
}

function factRows({ title, licence, input, head, labels, lineage, baseline, sha256 }: ModelManifest, facts: ModelFacts, macs: number | undefined, folder: string | undefined, report: SelfCheckReport | undefined, guard: GuardFacts): string[][] {
  const operators = facts.opCounts.slice(0, OPERATORS_SHOWN).map(([type, count]) => `${count} ${type}`);
  const operations = lineage.operations.map(({ kind }) => kind);
  return [
    ['title', title],
    ['licence', licence],
    ['folder', folder ?? 'not added'],
    ['input', `${input.width}x${input.height} ${input.color}, (pixel - ${input.mean.join('/')}) * ${input.scale.toPrecision(4)}, ${input.fit}`],
    ['head', `${head.kind}${head.scales ? `, strides ${head.scales.map(({ stride }) => stride).join(' ')}` : ''}`],
    ['anchors', anchorsKnown(head)],
    ['classes', labels.length > 6 ? `${labels.length}: ${labels.slice(0, 6).join(', ')}, ...` : labels.join(', ')],
    ['parameters', `${(facts.parameters / 1e6).toFixed(2)} M`],
    ['cost', macs === undefined ? 'could not be followed' : `${(macs / 1e6).toFixed(1)} M multiply-accumulates a picture`],
    ['operators', operators.join(', ')],
    ['opset', `ai.onnx ${facts.opset}`],
    ['prepared', preparedText(facts)],
    ['sha256', sha256],
    ['origin', lineage.origin],
    ['lineage', [lineage.parent ?? '', ...operations].filter(Boolean).join(' > ') || '-'],
    ['self-check', report ? selfCheckText(report, folder) : 'none'],
    ['guard', guardText(guard)],
    ['baseline', baseline ? `${baseline.dataset}: mAP50 ${baseline.map50 ?? '-'}, mAP50-95 ${baseline.map5095 ?? '-'}` : 'not measured'],
  ];
}

/** What each width of an elastic model costs, and what its trainer measured. */
function ratioRows(ratios: readonly ElasticRatio[]): string[][] {
  return ratios.map(({ name, macs, ap50 }) => [`ratio ${name}`, `${(macs / 1e6).toFixed(1)} M multiply-accumulates a picture${ap50 === undefined ? '' : `, AP50 ${ap50} (its trainer's figure)`}`]);
}

function anchorsKnown(head: ModelManifest['head']): string {
  if (head.scales?.some(({ anchors }) => anchors)) return anchorText(head);
  return head.kind === 'yolov5' ? 'inside the model, which decodes its boxes itself' : 'none';
}

function preparedText({ inputs }: ModelFacts): string {
  return `takes frames as bytes (G, B, R planes); ${inputs[0]?.dataType === 'uint8' ? 'channels are put in order before it' : 'channel order and scale are folded into the first convolutions where nothing else reads the picture'}`;
}

function selfCheckText({ boxes, picture, warnings }: SelfCheckReport, folder: string | undefined): string {
  const verdict = warnings.length === 0 ? 'nothing looked wrong' : warnings.map(({ code }) => code).join(', ');
  return `${boxes} boxes on ${picture}: ${verdict}${folder && existsSync(join(folder, SELF_CHECK_FILE)) ? ` (${join(folder, SELF_CHECK_FILE)})` : ''}`;
}

function rowsText(rows: readonly (readonly string[])[]): string {
  return textTable(['', ''], rows).split('\n').slice(2).join('\n');
}

function assumptionText(assumptions: readonly Assumption[]): string {
  return textTable(['what', 'value', 'source', 'why'], assumptions.map(({ what, value, source, evidence }) => [what, value, source, evidence]));
}
