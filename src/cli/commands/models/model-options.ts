import { InvalidArgumentError, Option, type Command } from 'commander';
import type { FitMode } from '../../../core/image-fit.js';
import type { Anchors, HeadKind } from '../../../core/manifest.js';
import type { Size } from '../../../core/size.js';
import { BOX_ORDERS, type BoxOrder } from '../../../onnx/recognise/box-evidence.js';
import type { AddOptions } from '../../../model-store/store.js';
import { parseSize } from '../../arguments.js';

const HEADS: readonly HeadKind[] = ['darknet', 'yolov5', 'yolov5-raw', 'yolov8', 'yolov10', 'yolox', 'tiny-yolov2', 'rows'];
const FITS: readonly FitMode[] = ['stretch', 'letterbox', 'letterbox-top-left'];

/** What a user may say about a model where its files don't. */
export interface ModelOptions {
  head?: HeadKind;
  size?: Size;
  labels?: string;
  fit?: FitMode;
  color?: 'rgb' | 'bgr';
  scale?: number;
  anchors?: Anchors[];
  boxes?: BoxOrder;
  normalised?: boolean;
  testImage?: string;
}

/** Adds the options that tell what a model is. */
export function addModelOptions(command: Command): Command {
  return command
    .addOption(new Option('--head <kind>', "kind of its head, where the shapes don't tell").choices(HEADS))
    .option('--size <WxH>', 'input size, for models that leave it open', parseSize)
    .option('--labels <file>', 'class names, a line each')
    .addOption(new Option('--fit <mode>', 'how pictures are put into its input').choices(FITS))
    .addOption(new Option('--color <order>', 'order of its colour channels').choices(['rgb', 'bgr']))
    .option('--scale <factor>', 'factor from pixels of 0 to 255 to what it wants', parseFactor)
    .option('--anchors <list>', 'of raw heads, pixels, finest scale first: "10,13 16,30 / 30,61 62,45"', parseAnchors)
    .addOption(new Option('--boxes <order>', "what the four numbers of a box are, where the values don't tell").choices(BOX_ORDERS))
    .option('--normalised', 'boxes are fractions of the picture, not pixels')
    .option('--test-image <file>', "picture to try it on, instead of the package's own");
}

export function toAddOptions({ testImage, ...options }: ModelOptions): AddOptions {
  return { ...options, testPicture: testImage };
}

function parseFactor(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('Expected a positive number such as 0.00392157.');
  return value;
}

/** Pairs of width and height, scales apart by `/`. */
export function parseAnchors(text: string): Anchors[] {
  const scales = text.split('/').map((scale) => scale.split(/[\s,x]+/).filter(Boolean).map(Number));
  const isWhole = scales.every((numbers) => numbers.length > 0 && numbers.length % 2 === 0 && numbers.every((value) => value > 0));
  if (!isWhole) throw new InvalidArgumentError('Expected pairs of width and height in pixels, scales apart by /: "10,13 16,30 / 30,61 62,45".');
  return scales.map((numbers) => Array.from({ length: numbers.length / 2 }, (_, i) => [numbers[2 * i]!, numbers[2 * i + 1]!] as const));
}
