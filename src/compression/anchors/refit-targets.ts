import { indexOfBest } from '../../detector/class-scores.js';
import { sigmoid } from '../../detector/logit.js';
import type { Anchor, AnchorModel } from './anchor-head.js';
import { boxFormula, type BoxFormula } from './box-formula.js';
import { cellAt, gridOf, type CellGrid, type ScaleCells, type TeacherCells } from './teacher-cells.js';

/** Objectness from which on a removed anchor's box is handed to a kept one. */
const HANDED_ON_OBJECTNESS = 0.02;
/** A box of the same class that overlaps so much and is so confident beside a removed anchor's finds the object, too. */
const COVERED_IOU = 0.55;
const COVERED_CONFIDENCE = 0.6;
/** What going to another scale counts, as if the anchor's shape were wrong by so much (sum of the logarithms of both sides' ratios). */
const OTHER_SCALE = 0.5;

/** What the kept anchors of one scale shall say, row by row: `anchors` times as many entries as rows. */
export interface ScaleTargets {
  readonly scaleIndex: number;
  /** The scale's kept anchors, in order. */
  readonly kept: readonly Anchor[];
  readonly formula: BoxFormula;
  readonly rows: number;
  readonly featureCount: number;
  /** `rows * featureCount`. */
  readonly features: Float32Array;
  /** How many cells a row stands for. */
  readonly weight: Float32Array;
  /** 0 to 1. */
  readonly objectness: Float32Array;
  /** Four a target: offset x, y in cells, logarithm of width and height over the anchor's. */
  readonly box: Float32Array;
  /** `classCount` a target, 0 to 1. */
  readonly classes: Float32Array;
  /** Targets that a removed anchor set. */
  readonly handedOn: number;
}

/**
 * What a pruned head is taught: each kept anchor what it says already, and where a removed anchor saw more than that, the best-shaped
 * kept anchor whose cell the object is centred in learns the removed one's box, objectness and classes.
 */
export function refitTargets(full: AnchorModel, { pictures }: TeacherCells, off: readonly number[]): ScaleTargets[] {
  const builders = full.scales.map((_, scaleIndex) => new TargetBuilder(full, scaleIndex, off, pictures.map((scales) => scales[scaleIndex]!)));
  const removed = full.anchors.filter(({ index }) => off.includes(index));
  const kept = full.anchors.filter(({ index }) => !off.includes(index));
  for (const picture of pictures.keys()) handOn(full, builders, removed, kept, picture);
  return builders.map((builder) => builder.targets()).filter(({ kept }) => kept.length > 0);
}

/** What an anchor sees in a cell. Sizes in pixels of the model input. */
interface Sighting {
  readonly anchor: Anchor;
  readonly cell: number;
  /** Where its numbers begin in `raw` of its scale and picture. */
  readonly at: number;
  readonly objectness: number;
  /** Objectness times the best class's score. */
  readonly confidence: number;
  readonly classId: number;
  readonly centreX: number;
  readonly centreY: number;
  readonly logWidth: number;
  readonly logHeight: number;
  readonly xyxy: readonly [number, number, number, number];
}

/** Gives what only removed anchors saw in one picture to kept ones. */
function handOn(full: AnchorModel, builders: readonly TargetBuilder[], removed: readonly Anchor[], kept: readonly Anchor[], picture: number): void {
  const covering = kept.flatMap((anchor) => sightings(full, builders[anchor.scaleIndex]!, anchor, picture));
  for (const seen of removed.flatMap((anchor) => sightings(full, builders[anchor.scaleIndex]!, anchor, picture))) {
    if (covering.some((other) => covers(other, seen))) continue;
    const heirs = builders.flatMap((builder) => builder.heirs(picture, seen));
    const best = heirs.reduce<Heir | undefined>((a, b) => (a && a.distance <= b.distance ? a : b), undefined);
    best?.builder.give(best, seen.objectness, builders[seen.anchor.scaleIndex]!.sources[picture]!.raw, seen.at + 5);
  }
}

/** Teaching a second anchor what one finds already would take from what it can do itself. */
function covers(other: Sighting, seen: Sighting): boolean {
  return other.classId === seen.classId && other.confidence >= COVERED_CONFIDENCE * seen.confidence && overlap(other.xyxy, seen.xyxy) >= COVERED_IOU;
}

function overlap(a: Sighting['xyxy'], b: Sighting['xyxy']): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const both = width * height;
  return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both);
}

function sightings(full: AnchorModel, { formula, filters, sources }: TargetBuilder, anchor: Anchor, picture: number): Sighting[] {
  const { cells, raw } = sources[picture]!;
  const gridWidth = gridOf(full, anchor.stride).width;
  const seen: Sighting[] = [];
  for (let row = 0; row < cells.length; row += 1) {
    const at = row * filters + anchor.inScale * full.columns;
    const objectness = sigmoid(raw[at + 4]!);
    if (!(objectness > HANDED_ON_OBJECTNESS)) continue;
    const cell = cells[row]!;
    const classId = Math.max(0, indexOfBest(raw, at + 5, 1, full.classCount));
    const confidence = objectness * (full.classCount === 0 ? 1 : sigmoid(raw[at + 5 + classId]!));
    const centreX = ((cell % gridWidth) + formula.offset(raw[at]!)) * anchor.stride;
    const centreY = (Math.floor(cell / gridWidth) + formula.offset(raw[at + 1]!)) * anchor.stride;
    const logWidth = Math.log(anchor.widthPx) + formula.logSize(raw[at + 2]!);
    const logHeight = Math.log(anchor.heightPx) + formula.logSize(raw[at + 3]!);
    const [halfWidth, halfHeight] = [Math.exp(logWidth) / 2, Math.exp(logHeight) / 2];
    const xyxy = [centreX - halfWidth, centreY - halfHeight, centreX + halfWidth, centreY + halfHeight] as const;
    seen.push({ anchor, cell, at, objectness, confidence, classId, centreX, centreY, logWidth, logHeight, xyxy });
  }
  return seen;
}

/** A kept anchor that could take an object over. */
interface Heir {
  readonly builder: TargetBuilder;
  /** How badly its shape fits. */
  readonly distance: number;
  /** Index of its target. */
  readonly target: number;
  readonly box: readonly [number, number, number, number];
}

class TargetBuilder {
  readonly formula: BoxFormula;
  readonly filters: number;
  readonly sources: readonly ScaleCells[];
  readonly #scaleIndex: number;
  readonly #stride: number;
  readonly #grid: CellGrid;
  readonly #kept: readonly Anchor[];
  readonly #classCount: number;
  readonly #featureCount: number;
  readonly #logAnchors: readonly (readonly [number, number])[];
  /** First row of each picture. */
  readonly #firstRow: readonly number[];
  /** Row of each cell by picture, found once. */
  readonly #rowOfCell: readonly ReadonlyMap<number, number>[];
  readonly #rows: number;
  readonly #objectness: Float32Array;
  readonly #box: Float32Array;
  readonly #classes: Float32Array;
  #handedOn = 0;

  constructor(full: AnchorModel, scaleIndex: number, off: readonly number[], sources: readonly ScaleCells[]) {
    const scale = full.scales[scaleIndex]!;
    this.formula = boxFormula(full.model.manifest.head.kind, scale);
    this.filters = full.layers[scaleIndex]!.filters;
    this.sources = sources;
    this.#scaleIndex = scaleIndex;
    this.#stride = scale.stride;
    this.#grid = gridOf(full, scale.stride);
    this.#kept = full.anchors.filter((anchor) => anchor.scaleIndex === scaleIndex && !off.includes(anchor.index));
    this.#classCount = full.classCount;
    this.#featureCount = full.layers[scaleIndex]!.filterSize;
    this.#logAnchors = this.#kept.map(({ widthPx, heightPx }) => [Math.log(widthPx), Math.log(heightPx)] as const);
    const firstRow: number[] = [];
    let rows = 0;
    for (const { cells } of sources) {
      firstRow.push(rows);
      rows += cells.length;
    }
    this.#firstRow = firstRow;
    this.#rows = rows;
    this.#rowOfCell = sources.map(({ cells }) => new Map(Array.from(cells, (cell, row) => [cell, row])));
    this.#objectness = new Float32Array(rows * this.#kept.length);
    this.#box = new Float32Array(rows * this.#kept.length * 4);
    this.#classes = new Float32Array(rows * this.#kept.length * full.classCount);
    this.#teachOwn(full.columns);
  }

  targets(): ScaleTargets {
    const features = new Float32Array(this.#rows * this.#featureCount);
    const weight = new Float32Array(this.#rows);
    for (const [picture, source] of this.sources.entries()) {
      features.set(source.features, this.#firstRow[picture]! * this.#featureCount);
      weight.set(source.weight, this.#firstRow[picture]);
    }
    const { formula } = this;
    return { scaleIndex: this.#scaleIndex, kept: this.#kept, formula, rows: this.#rows, featureCount: this.#featureCount, features, weight, objectness: this.#objectness, box: this.#box, classes: this.#classes, handedOn: this.#handedOn };
  }

  /** The kept anchors of this scale that could learn what another saw. */
  heirs(picture: number, { anchor, cell: fromCell, centreX, centreY, logWidth, logHeight }: Sighting): Heir[] {
    const isOwnScale = anchor.scaleIndex === this.#scaleIndex;
    // YOLOv5's centres may lie beyond their own cell: within a scale the object stays where it was seen.
    const cell = isOwnScale ? fromCell : cellAt(centreX, centreY, this.#stride, this.#grid);
    const row = this.#rowOfCell[picture]!.get(cell);
    if (row === undefined) return [];
    const offsetX = centreX / this.#stride - (cell % this.#grid.width);
    const offsetY = centreY / this.#stride - Math.floor(cell / this.#grid.width);
    const first = (this.#firstRow[picture]! + row) * this.#kept.length;
    const [low, high] = this.formula.logSizeRange;
    return this.#logAnchors.flatMap(([anchorWidth, anchorHeight], i): Heir[] => {
      const box = [offsetX, offsetY, logWidth - anchorWidth, logHeight - anchorHeight] as const;
      if (Math.min(box[2], box[3]) < low || Math.max(box[2], box[3]) > high) return [];
      const distance = Math.abs(box[2]) + Math.abs(box[3]) + (isOwnScale ? 0 : OTHER_SCALE);
      return [{ builder: this, distance, target: first + i, box }];
    });
  }

  /** Where the heir sees less of an object itself. @param classesAt of the removed anchor's class logits in `raw` */
  give({ target, box }: Heir, objectness: number, raw: Float32Array, classesAt: number): void {
    if (objectness <= this.#objectness[target]!) return;
    this.#objectness[target] = objectness;
    this.#box.set(box, target * 4);
    this.#setClasses(target, raw, classesAt);
    this.#handedOn += 1;
  }

  #teachOwn(columns: number): void {
    for (const [picture, { cells, raw }] of this.sources.entries()) {
      for (let row = 0; row < cells.length; row += 1) {
        for (const [i, { inScale }] of this.#kept.entries()) {
          const at = row * this.filters + inScale * columns;
          const target = (this.#firstRow[picture]! + row) * this.#kept.length + i;
          const { formula } = this;
          this.#objectness[target] = sigmoid(raw[at + 4]!);
          this.#box.set([formula.offset(raw[at]!), formula.offset(raw[at + 1]!), formula.logSize(raw[at + 2]!), formula.logSize(raw[at + 3]!)], target * 4);
          this.#setClasses(target, raw, at + 5);
        }
      }
    }
  }

  #setClasses(target: number, raw: Float32Array, from: number): void {
    const count = this.#classCount;
    const to = target * count;
    if (!this.formula.softmax) {
      for (let i = 0; i < count; i += 1) this.#classes[to + i] = sigmoid(raw[from + i]!);
      return;
    }
    let most = -Infinity;
    for (let i = 0; i < count; i += 1) most = Math.max(most, raw[from + i]!);
    let sum = 0;
    for (let i = 0; i < count; i += 1) sum += this.#classes[to + i] = Math.exp(raw[from + i]! - most);
    for (let i = 0; i < count; i += 1) this.#classes[to + i]! /= sum;
  }
}
