import type { Assumption } from '../../core/assumption.js';
import type { Anchors, HeadKind, ModelHead } from '../../core/manifest.js';
import type { Size } from '../../core/size.js';
import type { BoxOrder } from './box-evidence.js';
import type { HeadTail } from './head-tail.js';
import type { ModelMetadata } from '../model-proto.js';
import { parseNames } from './names-metadata.js';

/** Shape of an output as it comes out of a run: no open dimensions. */
export interface OutputShape {
  readonly name: string;
  readonly dims: readonly number[];
}

/** An output of a run on the test picture. */
export interface OutputSample extends OutputShape {
  /** Its values; undefined where only the shape is known. */
  readonly data?: Float32Array | undefined;
  /** False where they are integers and have to be cast before they are read. */
  readonly isFloat?: boolean | undefined;
}

/** What is known about a model when its head is recognised. */
export interface HeadFacts {
  readonly outputs: readonly OutputSample[];
  /** Of the model's input. */
  readonly size: Size;
  readonly metadata: ModelMetadata;
  /** The user's word where shapes don't tell. */
  readonly head?: HeadKind | undefined;
  /** Number of class names that the user gave beside the model. */
  readonly labelCount?: number | undefined;
  /** The user's word: pixels of the model input, scale by scale from the finest, or all scales in one list. */
  readonly anchors?: readonly Anchors[] | undefined;
  /** The user's word where the values don't tell. */
  readonly boxes?: BoxOrder | undefined;
  /** The user's word: boxes in fractions of the picture instead of pixels. */
  readonly normalised?: boolean | undefined;
}

/** How outputs become boxes, and why that is believed. */
export interface RecognisedHead {
  readonly head: ModelHead;
  /** 1 for heads without class scores. */
  readonly classCount: number;
  /** Nodes to put behind the model first; `head` names their outputs. */
  readonly tail?: HeadTail | undefined;
  readonly assumptions?: readonly Assumption[] | undefined;
}

/** Sets of strides that detectors of this family have: usual, with a fourth scale, tiny, with a finer one. */
export const STRIDE_SETS = [
  [8, 16, 32],
  [8, 16, 32, 64],
  [16, 32],
  [4, 8, 16, 32],
] as const;

/** Cells of all scales: convolutions of stride 2 with padding round odd sizes up. */
export function cellCount({ width, height }: Size, strides: readonly number[]): number {
  return strides.reduce((sum, stride) => sum + Math.ceil(width / stride) * Math.ceil(height / stride), 0);
}

/** A grid of cells that a number of rows comes from. */
export interface RowGrid {
  readonly strides: readonly number[];
  readonly perCell: 1 | 3;
}

/** The grids that give `rows` boxes, one or three a cell; none where the rows come from somewhere else. */
export function gridsOfRows(rows: number, size: Size): RowGrid[] {
  return STRIDE_SETS.flatMap((strides) => ([1, 3] as const).filter((perCell) => rows === perCell * cellCount(size, strides)).map((perCell) => ({ strides, perCell })));
}

/** For people: `3 x (40x40 + 20x20 + 10x10) cells at 320x320`. */
export function gridText({ strides, perCell }: RowGrid, { width, height }: Size): string {
  const grids = strides.map((stride) => `${Math.ceil(width / stride)}x${Math.ceil(height / stride)}`);
  return `${perCell === 1 ? '' : `${perCell} x `}(${grids.join(' + ')}) cells at ${width}x${height}`;
}

/** How many classes the names in the file or beside it are for. */
export function namedClasses({ metadata, labelCount }: Pick<HeadFacts, 'metadata' | 'labelCount'>): number | undefined {
  return labelCount ?? (metadata['names'] === undefined ? undefined : parseNames(metadata['names'])?.length);
}

export function shapeText({ name, dims }: OutputShape): string {
  return `${name} [${dims.join(',')}]`;
}
