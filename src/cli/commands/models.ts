import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Size } from '../../core/frame.js';
import type { HeadKind } from '../../core/manifest.js';
import type { FitMode } from '../../core/image-fit.js';
import type { AddProgress, InstalledModel } from '../../model-store/store.js';
import { inspectModel } from '../../onnx/inspect.js';
import { parseInteger } from '../arguments.js';
import { openStore } from '../models.js';
import { bold, green, print, type Progress, progressBar, say, textTable } from '../terminal.js';

const HEADS: readonly HeadKind[] = ['darknet', 'yolov5', 'yolov8', 'yolov10', 'yolox', 'tiny-yolov2', 'rows'];
const FITS: readonly FitMode[] = ['stretch', 'letterbox', 'letterbox-top-left'];
const OPERATORS_SHOWN = 8;

interface AddCommandOptions {
  id?: string;
  head?: HeadKind;
  size?: Size;
  labels?: string;
  fit?: FitMode;
  color?: 'rgb' | 'bgr';
  scale?: number;
  json?: boolean;
}

export function addModels(program: Command): void {
  const models = program.command('models').description('List, add, inspect and remove models.');
  models.command('list').description('Models that can be used, and those that are a download away.').option('--json', 'print JSON').action(list);
  models
    .command('add')
    .description('Add a model: an .onnx file, a Darknet .cfg with its .weights, a folder with a manifest, a URL, or the id of a known one.')
    .argument('<input>', 'file, folder, URL or id')
    .option('--id <id>', 'name to give it')
    .addOption(new Option('--head <kind>', "kind of its head, where the shapes don't tell").choices(HEADS))
    .option('--size <WxH>', 'input size, for models that leave it open', parseSize)
    .option('--labels <file>', 'class names, a line each')
    .addOption(new Option('--fit <mode>', 'how pictures are put into its input').choices(FITS))
    .addOption(new Option('--color <order>', 'order of its colour channels').choices(['rgb', 'bgr']))
    .option('--scale <factor>', 'factor from pixels of 0 to 255 to what it wants', parseFactor)
    .option('--json', 'print the manifest as JSON')
    .action(add);
  models.command('inspect').description('Show what a model is: input, head, operators, size, lineage.').argument('<id>', 'id or path').option('--json', 'print JSON').action(inspect);
  models
    .command('remove')
    .description('Remove a model that was added.')
    .argument('<id>')
    .action(async (id: string) => {
      await openStore().remove(id);
      say(`${green('removed')} ${id}`);
    });
}

async function list({ json }: { json?: boolean }): Promise<void> {
  const models = await openStore().list();
  if (json) {
    print(JSON.stringify(models, null, 2));
    return;
  }
  print(textTable(['id', 'status', 'what'], models.map(({ id, status, title }) => [id, status, title])));
}

async function add(input: string, { json, ...options }: AddCommandOptions): Promise<void> {
  let bar: Progress | undefined;
  const onProgress: AddProgress = ({ doneBytes, totalBytes }) => {
    bar ??= progressBar('download', totalBytes === undefined ? undefined : kib(totalBytes));
    bar.update(kib(doneBytes), 'KiB');
  };
  let model: InstalledModel;
  try {
    model = await openStore().add(input, options, onProgress);
  } finally {
    bar?.stop();
  }
  const { manifest } = model;
  if (json) {
    print(JSON.stringify(manifest, null, 2));
    return;
  }
  const { id, head, input: frame, labels } = manifest;
  say(`${green('added')} ${bold(id)}: ${head.kind} head, ${frame.width}x${frame.height} ${frame.color}, ${labels.length} classes`);
  say(`try it: lynceus run demo --model ${id}`);
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

function kib(bytes: number): number {
  return Math.round(bytes / 1024);
}

function parseSize(text: string): Size {
  const match = /^(\d+)(?:x(\d+))?$/i.exec(text);
  if (!match) throw new InvalidArgumentError('Expected a size such as 640 or 640x384.');
  const width = parseInteger(match[1]!);
  return { width, height: match[2] ? parseInteger(match[2]) : width };
}

function parseFactor(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('Expected a positive number such as 0.00392157.');
  return value;
}
