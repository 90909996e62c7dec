import { type Detections, NO_DETECTIONS } from '../core/detections.js';
import type { Size } from '../core/size.js';
import { blockDifferences } from './block-difference.js';
import { BLOCK_CELLS, type BlockArea, type BlockGrid, boundsOf, countMarked, dilate, gridOf, hasMarked, markBox } from './block-grid.js';
import { disagreementsOf } from './box-disagreement.js';
import { LookPace } from './look-pace.js';
import { LossBudget } from './loss-budget.js';
import { BoxMover } from './motion/box-mover.js';
import { areComparable, type Sight, toCells } from './sight.js';
import { joinTile, type PixelArea, placeTile, type Tile } from './tile.js';
import { UsualChange } from './usual-change.js';

/** Beyond, the picture has changed as a whole and no box of before is of use. */
const SCENE_SHARE = 0.5;
/** Where so much changes frame by frame and has to be inferred, it is looked less often; what passes by at one place isn't meant. */
const RESTLESS_SHARE = 0.25;
/** What a box may account for beside its own place: a share of its sides (shadows, limbs), and blocks. */
const BOX_MARGIN = 0.3;
const MARGIN_BLOCKS = 2;
/** What was nothing may spread by so many blocks. */
const NOTHING_BLOCKS = 2;
/** What a tile shows around that which changed: a share of it, and pixels. A detector needs to see what is around an object. */
const TILE_MARGIN_SHARE = 0.1;
const TILE_MARGIN_PX = 12;

export interface GateOptions {
  /** No frame is further from an inference of the whole picture than this, by presentation time. */
  readonly maxAgeMs: number;
  /** While known objects move, no frame is further from an inference of them than this; 0 where boxes are never moved. */
  readonly maxMovedMs: number;
  /** Share of the boxes that may be wrong for having been moved, in the mean over all frames, 0 to 1. */
  readonly maxLoss: number;
  /** Mean change of a block that counts, grey levels; less is never seen. */
  readonly minChange: number;
  /** Of the model for tiles, pixels of the model input; absent where there is none. */
  readonly tile?: Size | undefined;
}

/** What to do with a frame. */
export type Decision =
  | { readonly action: 'inferred'; readonly reason: 'first' | 'age' | 'changed' | 'motion' }
  | { readonly action: 'tile'; readonly reason: 'changed' | 'motion'; readonly tile: Tile }
  | { readonly action: 'reused'; readonly reason: 'static' }
  | { readonly action: 'moved'; readonly reason: 'motion' };

/** A frame against the last inferred one. */
interface Comparison {
  readonly sight: Sight;
  readonly reference: Sight;
  readonly differences: Float32Array;
  readonly changed: Uint8Array;
  readonly changedShare: number;
}

/** What the gate learns of how often a stream changes, of one size of picture. */
interface Surroundings {
  readonly grid: BlockGrid;
  readonly usual: UsualChange;
}

/**
 * Decides for each frame of one stream whether the model has to see it, and keeps what is known in between. Sights and detections in,
 * decisions and detections out: it runs nothing itself. Decisions change nothing; what was done with a frame is told afterwards.
 */
export class RedundancyGate {
  readonly #options: GateOptions;
  readonly #mover = new BoxMover();
  readonly #budget: LossBudget;
  readonly #pace = new LookPace();
  #surroundings: Surroundings | undefined;
  /** What the model saw last, place by place; absent before the first inference, after a failed one, and where it was given a frame unseen. */
  #reference: Sight | undefined;
  #isUnseen = false;
  #lastWhole: Sight | undefined;
  #lastInference: Sight | undefined;
  /** Of the last inference. */
  #detections: Detections = NO_DETECTIONS;
  /** For each block when it changed and the model found nothing there, presentation time in milliseconds. */
  #nothingAtMs = new Float64Array(0);
  readonly #comparisons = new WeakMap<Sight, Comparison>();
  /** How the frame that the model has now was compared, and the inference before it. */
  #asked: Comparison | undefined;
  #inferredBefore: Sight | undefined;
  /** What the model found, until somebody needs to know more than its boxes. */
  #unlearnt: (() => void) | undefined;
  /** Whether frames were left out before the last inference, so that what it found tells how wrong they were. */
  #isAnswer = false;
  #hasSkipped = false;
  /** Of the last inference, their confidences' sum. */
  #weight = 0;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#budget = new LossBudget(options.maxLoss);
  }

  /** What has been learnt of this stream: see `LossBudget`. */
  get learnt(): { readonly lossRatePerS: number; readonly flicker: number } {
    return { lossRatePerS: this.#budget.ratePerS, flicker: this.#budget.flicker };
  }

  /** For each frame, in order: whether `decide` needs to see it. One that is not looked at is inferred whole: looking has been of no use for a while. */
  looksAt(ptsUs: number): boolean {
    return this.#pace.isDue(ptsUs);
  }

  /** Where time and pixels alone say that the whole picture has to be inferred; undefined where it depends on the boxes. */
  decideByPixels(sight: Sight): Decision | undefined {
    const [reference, lastWhole] = [this.#reference, this.#lastWhole];
    if (!reference || !lastWhole || !areComparable(reference, sight)) return { action: 'inferred', reason: this.#isUnseen ? 'changed' : 'first' };
    const ageMs = (sight.ptsUs - lastWhole.ptsUs) / 1e3;
    // A clock that was set back says nothing of an age.
    if (ageMs < 0 || ageMs >= this.#options.maxAgeMs) return { action: 'inferred', reason: 'age' };
    return this.#compare(reference, sight).changedShare > SCENE_SHARE ? { action: 'inferred', reason: 'changed' } : undefined;
  }

  /** @param sight of the next frame, when all inferences before it are done. */
  decide(sight: Sight): Decision {
    const certain = this.decideByPixels(sight);
    const comparison = this.#comparisons.get(sight);
    const lastInference = this.#lastInference;
    if (certain || !comparison || !lastInference) return certain ?? { action: 'inferred', reason: 'first' };
    if (comparison.changedShare === 0) return { action: 'reused', reason: 'static' };
    // How wrong moved boxes were has to be known before others are moved; of others it is only asked when boxes are needed.
    if (this.#isAnswer) this.#learnLast();
    const mayMove = this.#mayMove(comparison, msBetween(lastInference, sight));
    if (mayMove) this.#learnLast();
    const isKnown = this.#isExplained(comparison, mayMove);
    if (isKnown && mayMove) return { action: 'moved', reason: 'motion' };
    const reason = isKnown ? 'motion' : 'changed';
    const tile = this.#tileFor(comparison);
    return tile ? { action: 'tile', reason, tile } : { action: 'inferred', reason };
  }

  /** The whole picture goes to the model: frames are compared with it from now on. */
  beginWhole(sight: Sight): void {
    const compared = this.#comparisons.get(sight);
    const isOutbreak = compared !== undefined && compared.changedShare > SCENE_SHARE;
    if (isOutbreak) this.#surroundingsOf(sight).usual.learnOutbreak(compared.differences);
    if (compared && compared.changedShare > RESTLESS_SHARE) this.#pace.useless();
    else if (compared) this.#pace.useful();
    this.#asked = isOutbreak ? undefined : compared;
    this.#lastWhole = sight;
    this.#begin(sight, sight);
  }

  /** A frame goes to the model that wasn't looked at: nothing can be compared with it. */
  beginUnseen(ptsUs: number): void {
    this.#budget.frame(this.#weight, ptsUs);
    this.#mover.forget();
    this.#unlearnt = undefined;
    this.#asked = undefined;
    this.#isAnswer = false;
    this.#hasSkipped = false;
    this.#isUnseen = true;
    this.#reference = undefined;
    this.#lastWhole = undefined;
    this.#lastInference = undefined;
  }

  /** What the model found. Of several at once, the newest counts. @param sight none of a frame that wasn't looked at. */
  seenWhole(sight: Sight | undefined, detections: Detections): void {
    if (this.#lastInference !== sight) return;
    if (!sight) {
      this.#know(detections);
      return;
    }
    const compared = this.#asked;
    const before = this.#detections;
    const inferredBefore = this.#inferredBefore;
    this.#know(detections);
    // Where the next frame is inferred whole in any case, this is never asked for.
    this.#unlearnt = () => this.#learnFrom(sight, before, inferredBefore, compared);
  }

  /** The model failed on a frame: nothing is known until it has seen one. */
  failed(): void {
    this.#reference = undefined;
    this.#isUnseen = false;
  }

  /** The boxes of a frame of which the model saw a tile; undefined where it has to see the whole. */
  seenTile(sight: Sight, tile: Tile, found: Detections): Detections | undefined {
    const compared = this.#comparisons.get(sight);
    const detections = joinTile(this.#mover.move(sight), found, tile, sight.fit, sight.sourceSize);
    if (!detections || !compared) return undefined;
    const before = this.#detections;
    const inferredBefore = this.#lastInference;
    this.#know(detections);
    this.#learnFrom(sight, before, inferredBefore, compared);
    this.#pace.useful();
    this.#begin(sight, withTile(compared.reference, sight, tile));
    return detections;
  }

  /** The boxes of a frame that the model doesn't see. */
  skipped(sight: Sight, { action }: Decision): Detections {
    const compared = this.#comparisons.get(sight);
    if (compared) this.#surroundingsOf(sight).usual.learn(compared.differences, compared.changed);
    this.#hasSkipped = true;
    this.#pace.useful();
    this.#budget.frame(this.#weight, sight.ptsUs);
    if (action !== 'moved') return this.#detections;
    if (compared) this.#budget.spend(this.#changedWeight(compared), msBetween(this.#lastInference, sight));
    return this.#mover.move(sight);
  }

  /** Sets what later frames are compared with. */
  #begin(sight: Sight, reference: Sight): void {
    this.#budget.frame(this.#weight, sight.ptsUs);
    this.#inferredBefore = this.#lastInference;
    this.#isAnswer = this.#hasSkipped;
    this.#hasSkipped = false;
    this.#isUnseen = false;
    this.#reference = reference;
    this.#lastInference = sight;
  }

  #know(detections: Detections): void {
    this.#detections = detections;
    this.#weight = detections.confidence.reduce((sum, confidence) => sum + confidence, 0);
  }

  #mayMove(compared: Comparison, ageMs: number): boolean {
    return ageMs >= 0 && ageMs < this.#options.maxMovedMs && this.#budget.allows(this.#changedWeight(compared), ageMs);
  }

  /** Confidences' sum of the known boxes that the picture has changed at. */
  #changedWeight({ sight, changed }: Comparison): number {
    const { grid } = this.#surroundingsOf(sight);
    const { count, xyxy, confidence } = this.#detections;
    const cells = toCells(sight, xyxy, count);
    let sum = 0;
    for (let i = 0; i < count; i += 1) if (hasMarked(grid, changed, cells, 4 * i)) sum += confidence[i]!;
    return sum;
  }

  #learnLast(): void {
    this.#unlearnt?.();
    this.#unlearnt = undefined;
  }

  /** What the newest boxes say of those of before, and of what changed. */
  #learnFrom(sight: Sight, before: Detections, inferredBefore: Sight | undefined, compared: Comparison | undefined): void {
    if (compared) {
      const news = this.#unexplained(compared, before);
      if (inferredBefore && this.#mover.seenAt === inferredBefore) this.#learnLoss(compared, news, msBetween(inferredBefore, sight));
      this.#mark(sight, news, this.#detections, 0);
      this.#learnNothing(compared, news);
    }
    this.#mover.seen(sight, this.#detections);
  }

  /** @param news blocks that changed for no known box. */
  #learnLoss({ sight, changed }: Comparison, news: Uint8Array, ageMs: number): void {
    const { grid } = this.#surroundingsOf(sight);
    const touches = (mask: Uint8Array, { xyxy }: Detections, i: number): boolean => hasMarked(grid, mask, toCells(sight, xyxy.subarray(4 * i, 4 * i + 4), 1), 0);
    const found = this.#detections;
    const sums = disagreementsOf(
      this.#mover.move(sight),
      found,
      (boxes, i) => !touches(changed, boxes, i),
      (i) => touches(news, found, i),
    );
    this.#budget.learn(sums, ageMs);
  }

  /** @param nothing blocks that changed where nothing was found. */
  #learnNothing({ sight, differences, changed }: Comparison, nothing: Uint8Array): void {
    this.#surroundingsOf(sight).usual.learn(differences, changed, nothing);
    if (this.#nothingAtMs.length !== nothing.length) this.#nothingAtMs = new Float64Array(nothing.length).fill(Number.NEGATIVE_INFINITY);
    for (let block = 0; block < nothing.length; block += 1) if (nothing[block] === 1) this.#nothingAtMs[block] = sight.ptsUs / 1e3;
  }

  #compare(reference: Sight, sight: Sight): Comparison {
    const known = this.#comparisons.get(sight);
    if (known?.reference === reference) return known;
    const { grid, usual } = this.#surroundingsOf(sight);
    const differences = new Float32Array(grid.columns * grid.rows);
    blockDifferences(grid, reference.thumbnail, sight.thumbnail, differences);
    const changed = usual.changed(differences);
    const comparison: Comparison = { sight, reference, differences, changed, changedShare: countMarked(changed) / changed.length };
    this.#comparisons.set(sight, comparison);
    return comparison;
  }

  #surroundingsOf(sight: Sight): Surroundings {
    const grid = gridOf(sight);
    const known = this.#surroundings;
    if (known && isSameGrid(known.grid, grid)) return known;
    this.#surroundings = { grid, usual: new UsualChange(grid, this.#options.minChange) };
    return this.#surroundings;
  }

  /** Whether all that changed lies where known boxes were or are, or where the model has just looked and found nothing. @param isFollowed whether boxes are looked for, or taken for where they were. */
  #isExplained(compared: Comparison, isFollowed: boolean): boolean {
    if (this.#options.maxMovedMs === 0) return false;
    const { grid } = this.#surroundingsOf(compared.sight);
    const explained = dilate(grid, this.#knownAsNothing(compared), NOTHING_BLOCKS);
    this.#mark(compared.sight, explained, this.#detections);
    if (isFollowed) this.#mark(compared.sight, explained, this.#mover.move(compared.sight));
    return compared.changed.every((flag, block) => flag === 0 || explained[block] === 1);
  }

  /** Blocks where the model found nothing a short while ago. */
  #knownAsNothing({ sight, changed }: Comparison): Uint8Array {
    const sinceMs = sight.ptsUs / 1e3 - this.#options.maxAgeMs;
    const atMs = this.#nothingAtMs;
    return atMs.length === changed.length ? changed.map((_, block) => (atMs[block]! >= sinceMs ? 1 : 0)) : new Uint8Array(changed.length);
  }

  /** Blocks that changed for no box of before, there or where it has moved to. */
  #unexplained({ sight, changed }: Comparison, before: Detections): Uint8Array {
    const { grid } = this.#surroundingsOf(sight);
    const boxes = new Uint8Array(grid.columns * grid.rows);
    this.#mark(sight, boxes, before);
    this.#mark(sight, boxes, this.#mover.move(sight));
    return changed.map((flag, block) => (flag === 1 && boxes[block] === 0 ? 1 : 0));
  }

  #mark(sight: Sight, mask: Uint8Array, { count, xyxy }: Detections, flag = 1): void {
    const { grid } = this.#surroundingsOf(sight);
    const cells = toCells(sight, xyxy, count);
    for (let i = 0; i < count; i += 1) markBox(grid, mask, cells, 4 * i, BOX_MARGIN, MARGIN_BLOCKS, flag);
  }

  /** A tile with all that changed and the boxes that it touches. */
  #tileFor({ sight, changed }: Comparison): Tile | undefined {
    const { tile } = this.#options;
    if (!tile) return undefined;
    const { grid } = this.#surroundingsOf(sight);
    const mask = changed.slice();
    const cells = toCells(sight, this.#detections.xyxy, this.#detections.count);
    for (let i = 0; i < this.#detections.count; i += 1) {
      if (hasMarked(grid, changed, cells, 4 * i)) markBox(grid, mask, cells, 4 * i, 0, 0);
    }
    const area = boundsOf(grid, mask);
    return area && placeTile(withMargin(area, grid, sight), tile, sight.inputSize);
  }
}

/** Pixels of the model input that blocks cover, and some around them. */
function withMargin({ left, top, right, bottom }: BlockArea, grid: BlockGrid, { thumbnail: { cellPx }, inputSize }: Sight): PixelArea {
  const toPx = (block: number, first: number): number => (block * BLOCK_CELLS + first) * cellPx;
  const marginX = TILE_MARGIN_PX + TILE_MARGIN_SHARE * (toPx(right, 0) - toPx(left, 0));
  const marginY = TILE_MARGIN_PX + TILE_MARGIN_SHARE * (toPx(bottom, 0) - toPx(top, 0));
  return [
    Math.max(0, toPx(left, grid.left) - marginX),
    Math.max(0, toPx(top, grid.top) - marginY),
    Math.min(inputSize.width, toPx(right, grid.left) + marginX),
    Math.min(inputSize.height, toPx(bottom, grid.top) + marginY),
  ];
}

/** The reference with what the tile shows now; of cells at its border that it shows in part, the old. */
function withTile(reference: Sight, sight: Sight, { left, top, width, height }: Tile): Sight {
  const { cellPx, columns } = sight.thumbnail;
  const cells = reference.thumbnail.cells.slice();
  const first = Math.ceil(left / cellPx);
  const last = Math.min(columns, Math.floor((left + width) / cellPx));
  for (let row = Math.ceil(top / cellPx); row < Math.min(sight.thumbnail.rows, Math.floor((top + height) / cellPx)); row += 1) {
    cells.set(sight.thumbnail.cells.subarray(row * columns + first, row * columns + last), row * columns + first);
  }
  return { ...sight, thumbnail: { ...sight.thumbnail, cells } };
}

function isSameGrid(a: BlockGrid, b: BlockGrid): boolean {
  return a.columns === b.columns && a.rows === b.rows && a.left === b.left && a.top === b.top;
}

function msBetween(from: Sight | undefined, to: Sight): number {
  return from ? (to.ptsUs - from.ptsUs) / 1e3 : 0;
}
