import { type Command, InvalidArgumentError, Option } from 'commander';
import type { FitMode } from '../../../core/image-fit.js';
import type { HeadKind } from '../../../core/manifest.js';
import type { Size } from '../../../core/size.js';
import type { AddProgress, InstalledModel } from '../../../model-store/store.js';
import { parseSize } from '../../arguments.js';
import { openStore } from '../../models.js';
import { bold, green, print, type Progress, progressBar, say } from '../../terminal.js';

const HEADS: readonly HeadKind[] = ['darknet', 'yolov5', 'yolov5-raw', 'yolov8', 'yolov10', 'yolox', 'tiny-yolov2', 'rows'];
const FITS: readonly FitMode[] = ['stretch', 'letterbox', 'letterbox-top-left'];

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

export function addAdd(models: Command): void {
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

function kib(bytes: number): number {
  return Math.round(bytes / 1024);
}

function parseFactor(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('Expected a positive number such as 0.00392157.');
  return value;
}
