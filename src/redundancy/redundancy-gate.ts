import { type Detections, NO_DETECTIONS } from '../core/detections.js';
import type { Size } from '../core/size.js';
import { blockDifferences } from './block-difference.js';
import { BLOCK_CELLS, type BlockArea, type BlockGrid, boundsOf, countMarked, dilate, gridOf, markBox } from './block-grid.js';
import { BoxMover } from './motion/box-mover.js';
import { MovingLimit } from './motion/moving-limit.js';
import { areComparable, type Sight, toCells } from './sight.js';
import { joinTile, type PixelArea, placeTile, type Tile } from './tile.js';
import { UsualChange } from './usual-change.js';

/** Beyond, the picture has changed as a whole and no box of before is of use. */
const SCENE_SHARE = 0.5;
/** What a box may account for beside its own place: a share of its sides (shadows, limbs), and blocks. */
const BOX_MARGIN = 0.3;
const MARGIN_BLOCKS = 2;
/** What a tile shows around that which changed: a share of it, and pixels. A detector needs to see what is around an object. */
const TILE_MARGIN_SHARE = 0.1;
const TILE_MARGIN_PX = 12;

export interface GateOptions {
  /** No frame is further from an inference of the whole picture than this, by presentation time. */
  readonly maxAgeMs: number;
  /** While known objects move, no frame is further from an inference of them than this; 0 where boxes are never moved. */
  readonly maxMovedMs: number;
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
  readonly #movingLimit: MovingLimit;
  #surroundings: Surroundings | undefined;
  /** What the model saw last, place by place; absent before the first inference and after a failed one. */
  #reference: Sight | undefined;
  #lastWhole: Sight | undefined;
  #lastInference: Sight | undefined;
  /** Of the last inference. */
  #detections: Detections = NO_DETECTIONS;
  /** For each block when it changed and the model found nothing there, presentation time in milliseconds. */
  #nothingAtMs = new Float64Array(0);
  readonly #comparisons = new WeakMap<Sight, Comparison>();
  /** How the frame that the model has now was compared. */
  #asked: Comparison | undefined;
  /** What the model found, until somebody needs to know more than its boxes. */
  #unlearnt: (() => void) | undefined;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#movingLimit = new MovingLimit(options.maxMovedMs);
  }

  /** Where time and pixels alone say that the whole picture has to be inferred; undefined where it depends on the boxes. */
  decideByPixels(sight: Sight): Decision | undefined {
    const [reference, lastWhole] = [this.#reference, this.#lastWhole];
    if (!reference || !lastWhole || !areComparable(reference, sight)) return { action: 'inferred', reason: 'first' };
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
    this.#learnLast();
    const isKnown = this.#isExplained(comparison);
    const movedMs = (sight.ptsUs - lastInference.ptsUs) / 1e3;
    if (isKnown && movedMs >= 0 && movedMs < this.#movingLimit.limitMs) return { action: 'moved', reason: 'motion' };
    const reason = isKnown ? 'motion' : 'changed';
    const tile = this.#tileFor(comparison);
    return tile ? { action: 'tile', reason, tile } : { action: 'inferred', reason };
  }

  /** The whole picture goes to the model: frames are compared with it from now on. */
  beginWhole(sight: Sight): void {
    const compared = this.#comparisons.get(sight);
    const isOutbreak = compared !== undefined && compared.changedShare > SCENE_SHARE;
    if (isOutbreak) this.#surroundingsOf(sight).usual.learnOutbreak(compared.differences);
    this.#asked = isOutbreak ? undefined : compared;
    this.#reference = sight;
    this.#lastWhole = sight;
    this.#lastInference = sight;
  }

  /** What the model found. Of several at once, the newest counts. */
  seenWhole(sight: Sight, detections: Detections): void {
    if (this.#lastInference !== sight) return;
    const compared = this.#asked;
    const before = this.#detections;
    this.#detections = detections;
    // Where the next frame is inferred whole in any case, this is never asked for.
    this.#unlearnt = () => this.#learnFrom(sight, before, compared);
  }

  /** The model failed on a frame: nothing is known until it has seen one. */
  failed(): void {
    this.#reference = undefined;
  }

  /** The boxes of a frame of which the model saw a tile; undefined where it has to see the whole. */
  seenTile(sight: Sight, tile: Tile, found: Detections): Detections | undefined {
    const compared = this.#comparisons.get(sight);
    const detections = joinTile(this.#mover.move(sight), found, tile, sight.fit, sight.sourceSize);
    if (!detections || !compared) return undefined;
    const before = this.#detections;
    this.#detections = detections;
    this.#learnFrom(sight, before, compared);
    this.#reference = withTile(compared.reference, sight, tile);
    this.#lastInference = sight;
    return detections;
  }

  /** The boxes of a frame that the model doesn't see. */
  skipped(sight: Sight, { action }: Decision): Detections {
    const compared = this.#comparisons.get(sight);
    if (compared) this.#surroundingsOf(sight).usual.learn(compared.differences, compared.changed);
    return action === 'moved' ? this.#mover.move(sight) : this.#detections;
  }

  #learnLast(): void {
    this.#unlearnt?.();
    this.#unlearnt = undefined;
  }

  /** What the newest boxes say of those of before, and of what changed. */
  #learnFrom(sight: Sight, before: Detections, compared: Comparison | undefined): void {
    const { usual } = this.#surroundingsOf(sight);
    if (compared) {
      const nothing = this.#unexplained(compared, before);
      usual.learn(compared.differences, compared.changed, nothing);
      if (this.#nothingAtMs.length !== nothing.length) this.#nothingAtMs = new Float64Array(nothing.length).fill(Number.NEGATIVE_INFINITY);
      for (let block = 0; block < nothing.length; block += 1) if (nothing[block] === 1) this.#nothingAtMs[block] = sight.ptsUs / 1e3;
    }
    this.#movingLimit.learn(before, this.#mover.move(sight), this.#detections);
    this.#mover.seen(sight, this.#detections);
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

  /** Whether all that changed lies where known boxes were or are, or where the model has just looked and found nothing. */
  #isExplained(compared: Comparison): boolean {
    if (this.#options.maxMovedMs === 0) return false;
    const { grid } = this.#surroundingsOf(compared.sight);
    const nothing = dilate(grid, dilate(grid, this.#knownAsNothing(compared)));
    const boxes = this.#boxBlocks(compared.sight);
    return compared.changed.every((flag, block) => flag === 0 || boxes[block] === 1 || nothing[block] === 1);
  }

  /** Blocks where the model found nothing a short while ago. */
  #knownAsNothing({ sight, changed }: Comparison): Uint8Array {
    const sinceMs = sight.ptsUs / 1e3 - this.#options.maxAgeMs;
    const atMs = this.#nothingAtMs;
    return atMs.length === changed.length ? changed.map((_, block) => (atMs[block]! >= sinceMs ? 1 : 0)) : new Uint8Array(changed.length);
  }

  /** Blocks that changed for no box of before or of now. */
  #unexplained({ sight, changed }: Comparison, before: Detections): Uint8Array {
    const boxes = this.#boxBlocks(sight);
    this.#mark(sight, boxes, before);
    return changed.map((flag, block) => (flag === 1 && boxes[block] === 0 ? 1 : 0));
  }

  /** Where the boxes of the last inference were, and where they are now. */
  #boxBlocks(sight: Sight): Uint8Array {
    const { grid } = this.#surroundingsOf(sight);
    const mask = new Uint8Array(grid.columns * grid.rows);
    this.#mark(sight, mask, this.#detections);
    this.#mark(sight, mask, this.#mover.move(sight));
    return mask;
  }

  #mark(sight: Sight, mask: Uint8Array, { count, xyxy }: Detections): void {
    const { grid } = this.#surroundingsOf(sight);
    const cells = toCells(sight, xyxy, count);
    for (let i = 0; i < count; i += 1) markBox(grid, mask, cells, 4 * i, BOX_MARGIN, MARGIN_BLOCKS);
  }

  /** A tile with all that changed and the boxes that it touches. */
  #tileFor({ sight, changed }: Comparison): Tile | undefined {
    const { tile } = this.#options;
    if (!tile) return undefined;
    const { grid } = this.#surroundingsOf(sight);
    const mask = changed.slice();
    const cells = toCells(sight, this.#detections.xyxy, this.#detections.count);
    for (let i = 0; i < this.#detections.count; i += 1) {
      const box = new Uint8Array(mask.length);
      markBox(grid, box, cells, 4 * i, 0, 0);
      if (changed.some((flag, block) => flag === 1 && box[block] === 1)) markBox(grid, mask, cells, 4 * i, 0, 0);
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
