import { join } from 'node:path';
import type { Command } from 'commander';
import type { AddedModel, AddProgress } from '../../../model-store/store.js';
import { SELF_CHECK_FILE } from '../../../model-store/self-check.js';
import { openStore } from '../../models.js';
import { bold, green, print, type Progress, progressBar, say } from '../../terminal.js';
import { addModelOptions, toAddOptions, type ModelOptions } from './model-options.js';
import { saySelfCheck } from './self-check-text.js';

interface AddCommandOptions extends ModelOptions {
  id?: string;
  selfCheck: boolean;
  json?: boolean;
}

export function addAdd(models: Command): void {
  const command = models
    .command('add')
    .description('Add a model: an .onnx file, a Darknet .cfg with its .weights, a folder with a manifest, a URL, or the id of a known one.')
    .argument('<input>', 'file, folder, URL or id')
    .option('--id <id>', 'name to give it');
  addModelOptions(command)
    .option('--no-self-check', 'do not try it on a picture')
    .option('--json', 'print the manifest as JSON')
    .action(add);
}

async function add(input: string, { json, id, selfCheck, ...options }: AddCommandOptions): Promise<void> {
  let bar: Progress | undefined;
  const onProgress: AddProgress = ({ doneBytes, totalBytes }) => {
    bar ??= progressBar('download', totalBytes === undefined ? undefined : kib(totalBytes));
    bar.update(kib(doneBytes), 'KiB');
  };
  let model: AddedModel;
  try {
    model = await openStore().add(input, { ...toAddOptions(options), id, selfCheck }, onProgress);
  } finally {
    bar?.stop();
  }
  const { manifest, folder, selfCheck: report } = model;
  if (json) print(JSON.stringify(manifest, null, 2));
  const { head, input: frame, labels } = manifest;
  if (!json) say(`${green('added')} ${bold(manifest.id)}: ${head.kind} head, ${frame.width}x${frame.height} ${frame.color}, ${labels.length} classes`);
  // Whoever reads the JSON has the warnings in it; whoever looks at the terminal must not miss them.
  if (report && (!json || report.warnings.length > 0)) saySelfCheck(report, join(folder, SELF_CHECK_FILE));
  if (!json) say(`what was assumed: lynceus models inspect ${manifest.id}; try it: lynceus run demo --model ${manifest.id}`);
}

function kib(bytes: number): number {
  return Math.round(bytes / 1024);
}
