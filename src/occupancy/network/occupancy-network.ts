import { assert } from '../../core/assert.js';
import { monotonicMs } from '../../core/clock.js';
import type { InstalledOccupancyModel, LevelRule, OccupancyManifest } from '../../core/occupancy-manifest.js';
import type { StereoRig } from '../../core/stereo-rig.js';
import type { GridLevel, VoxelGrid } from '../../core/voxel-grid.js';
import type { OutputTensor } from '../../inference/session.js';
import { type InputTensor, TensorSession } from '../../inference/tensor-session.js';
import { checkRig } from '../calibration/plausible.js';
import { parentCell } from '../octree.js';
import { poolCells } from '../voxelize.js';
import { chooseCells, computedShare, REFINED_SIDE, tileCells, type Tiling, WHOLE_CUBE } from './choose-tiles.js';
import { FineCost } from './cost-model.js';
import { fineCells, fineInputs } from './fine-request.js';
import { type RigConstants, rigConstants } from './rig-constants.js';
import { planStretch, type StretchPlan, stretchPlanes } from './stretch.js';

/** One part of the work on a pair, monotonic times. */
export interface OccupancySpan {
  readonly name: 'prepare' | 'coarse' | 'choose' | 'fine';
  readonly startMs: number;
  readonly endMs: number;
}

/** Occupied cells that one pair shows. */
export interface OccupancyFinding {
  /** Cells a side of the finest level that was computed. */
  readonly level: GridLevel;
  /**
   * Of every level that was computed, one byte a cell, 1 where occupied. Cells of 32 a side are only occupied within those of 16 that were
   * asked for (which are more than the occupied ones), those of 64 within occupied ones of 32.
   */
  readonly cells: Readonly<Partial<Record<GridLevel, Uint8Array>>>;
  /** Share of the 64 cells a side that was computed, 0 to 1. */
  readonly computedShare: number;
  readonly spans: readonly OccupancySpan[];
}

export interface OccupancyNetworkOptions {
  /** Threads within one inference. */
  readonly threads: number;
}

export interface InferOptions {
  /** The finest level asked for. */
  readonly level: GridLevel;
  /** From the call on, milliseconds: what is finer than 16 is computed only where it is expected to be done by then. Without it always. */
  readonly budgetMs?: number | undefined;
  /** All cells of the finer levels instead of those that look worth it: to measure what choosing loses. */
  readonly isWhole?: boolean;
}

const COARSE_INPUTS = ['left', 'right', 'near_planes', 'far_planes', 'coarse_rows', 'coarse_columns'];
const FEATURES = ['half', 'quarter', 'seen'] as const;
/** Of a network of full pictures: what its first layer sees of them, to look closer at. */
const WHOLE = 'whole';
const COARSE_CELLS = ['cells8', 'cells16'] as const;
const FINE_INPUTS = [...FEATURES, 'fine_planes', 'slabs', 'rows', 'columns'];
const FINE_CELLS = ['cells16', 'cells32', 'cells64'] as const;

type Feature = (typeof FEATURES)[number] | typeof WHOLE;
type CoarseAnswer = Awaited<ReturnType<typeof runCoarse>>;

/** What belongs to one rig. */
interface Prepared {
  readonly rig: StereoRig;
  readonly constants: RigConstants;
  readonly stretch: StretchPlan;
}

/**
 * The network of one model: occupied cells of a cube from two pictures, coarse to fine.
 *
 * For workers and commands that wait for nothing else: sessions block their thread. One pair at a time.
 */
export class OccupancyNetwork {
  readonly manifest: OccupancyManifest;
  readonly #coarse: TensorSession;
  readonly #fine: TensorSession;
  readonly #left: InputTensor & { readonly data: Uint8Array };
  readonly #right: InputTensor & { readonly data: Uint8Array };
  readonly #cost = new FineCost();
  #prepared: Prepared | undefined;

  private constructor(manifest: OccupancyManifest, coarse: TensorSession, fine: TensorSession) {
    const { width, height } = manifest.input;
    const picture = () => ({ data: new Uint8Array(3 * width * height), dims: [1, 3, height, width] });
    this.manifest = manifest;
    this.#coarse = coarse;
    this.#fine = fine;
    this.#left = picture();
    this.#right = picture();
  }

  /** @throws AppError ERR_MODEL_CORRUPT */
  static async load({ manifest, coarsePath, finePath }: InstalledOccupancyModel, { threads }: OccupancyNetworkOptions): Promise<OccupancyNetwork> {
    const coarse = await TensorSession.load({ modelPath: coarsePath, threads }, { inputs: COARSE_INPUTS, outputs: [...COARSE_CELLS, ...FEATURES] });
    try {
      return new OccupancyNetwork(manifest, coarse, await TensorSession.load({ modelPath: finePath, threads }, { inputs: FINE_INPUTS, outputs: FINE_CELLS, optional: [WHOLE, 'faces'] }));
    } catch (error) {
      await coarse.release();
      throw error;
    }
  }

  /**
   * @param rig of the rectified pictures that `infer` gets, of any size.
   * @throws AppError ERR_CALIBRATION_SIZE, ERR_CALIBRATION_LENS, ERR_CALIBRATION_BASELINE
   */
  setRig(rig: StereoRig, grid: VoxelGrid): void {
    assert(grid.rangeM > 0 && Number.isFinite(grid.rangeM) && Number.isFinite(grid.bottomM), `a grid has a range above 0 m, got ${grid.rangeM}`);
    const { width, height } = this.manifest.input;
    const size = { width, height };
    this.#prepared = { rig: checkRig(rig, 'rig'), constants: rigConstants(rig, grid, size, this.manifest.planes), stretch: planStretch(rig.size, size) };
  }

  /**
   * @param left planes G, B, R of the rig's size (`core/frame.ts`); may be shared memory.
   * @throws AppError ERR_INFERENCE_FAILED
   */
  async infer(left: Uint8Array, right: Uint8Array, { level, budgetMs = Infinity, isWhole = false }: InferOptions): Promise<OccupancyFinding> {
    const prepared = this.#prepared;
    assert(prepared, 'a rig is set before the first pair');
    const watch = new Watch();
    stretchPlanes(left, prepared.stretch, this.#left.data);
    stretchPlanes(right, prepared.stretch, this.#right.data);
    watch.end('prepare');
    const answer = await runCoarse(this.#coarse, this.#left, this.#right, prepared.constants, level > REFINED_SIDE ? this.#features : []);
    const coarseMs = watch.end('coarse');
    const chosen = chooseCells(answer.cells16.data, this.manifest.refine);
    const tiling = isWhole ? WHOLE_CUBE : tileCells(chosen);
    const share = computedShare(tiling);
    const isRefined = level > REFINED_SIDE && this.#cost.fits(coarseMs, share, budgetMs - watch.elapsedMs);
    const coarse = this.#coarseCells(answer, level);
    if (level > REFINED_SIDE) watch.end('choose');
    if (!isRefined) return { ...coarse, computedShare: 0, spans: watch.spans };
    const cells = await this.#refine(answer, prepared.constants, tiling, isWhole ? undefined : chosen, level);
    this.#cost.learn(coarseMs, share, watch.end('fine'));
    return { level, cells, computedShare: share, spans: watch.spans };
  }

  async close(): Promise<void> {
    await Promise.all([this.#coarse.release(), this.#fine.release()]);
  }

  /** What the fine part goes on from. */
  get #features(): readonly Feature[] {
    return this.#fine.takes(WHOLE) ? [...FEATURES, WHOLE] : FEATURES;
  }

  #coarseCells(answer: CoarseAnswer, level: GridLevel): Pick<OccupancyFinding, 'level' | 'cells'> {
    const rules = this.manifest.levels.coarse;
    const eight = coarseCells(answer, rules['8'], 8);
    return level === 8 ? { level, cells: { 8: eight } } : { level: 16, cells: { 8: eight, 16: coarseCells(answer, rules['16'], 16) } };
  }

  /** What the fine part says of the cells of a tiling, and what both say of the coarser levels. */
  async #refine(answer: CoarseAnswer, { finePlanes, faces, rows, columns }: RigConstants, tiling: Tiling, chosen: Uint8Array | undefined, level: GridLevel): Promise<OccupancyFinding['cells']> {
    const rules = this.manifest.levels.all;
    const features = Object.fromEntries(this.#features.map((name) => [name, answer[name]!]));
    const feeds = { ...features, fine_planes: finePlanes, ...(this.#fine.takes('faces') && { faces }), ...fineInputs(tiling, rows, columns) };
    const found = tiling.tiles.length === 0 ? undefined : await this.#fine.run(feeds, level === 32 ? FINE_CELLS.slice(0, 2) : FINE_CELLS);
    const fine = (side: 16 | 32 | 64, above: number): Uint8Array => fineCells(found?.[`cells${side}`].data, tiling, chosen, side, above);
    const either = (rule: LevelRule<'coarse8' | 'coarse16' | 'fine16'>, side: 8 | 16): Uint8Array => (rule.source === 'fine16' ? pooledTo(side, fine(16, rule.above), 16) : coarseCells(answer, { source: rule.source, above: rule.above }, side));
    const cells = { 8: either(rules['8'], 8), 16: either(rules['16'], 16), 32: fine(32, rules['32'].above) };
    return level === 32 ? cells : { ...cells, 64: within(fine(64, rules['64'].above), cells[32], 64) };
  }
}

async function runCoarse(session: TensorSession, left: InputTensor, right: InputTensor, { nearPlanes, farPlanes, coarseRows, coarseColumns }: RigConstants, features: readonly Feature[]) {
  const feeds = { left, right, near_planes: nearPlanes, far_planes: farPlanes, coarse_rows: coarseRows, coarse_columns: coarseColumns };
  const answer = await session.run(feeds, [...COARSE_CELLS, ...features]);
  return answer as Record<(typeof COARSE_CELLS)[number], OutputTensor> & Partial<Record<Feature, OutputTensor>>;
}

function coarseCells({ cells8, cells16 }: CoarseAnswer, { source, above }: LevelRule<'coarse8' | 'coarse16'>, side: 8 | 16): Uint8Array {
  const own = source === 'coarse8' ? 8 : 16;
  const cells = Uint8Array.from((own === 8 ? cells8 : cells16).data, (probability) => Number(probability > above));
  return pooledTo(side, cells, own);
}

/** That one of eight is above a probability is that the most probable is. */
function pooledTo(side: 8 | 16, cells: Uint8Array, own: 8 | 16): Uint8Array {
  return own > side ? poolCells(cells, own) : cells;
}

/** Takes away cells that don't lie in an occupied one of the coarser level; in place. @param side of `cells` */
function within(cells: Uint8Array, coarser: Uint8Array, side: number): Uint8Array {
  for (let i = 0; i < cells.length; i += 1) if (cells[i] !== 0 && coarser[parentCell(side, i)] === 0) cells[i] = 0;
  return cells;
}

/** Spans that follow each other without a gap. */
class Watch {
  readonly spans: OccupancySpan[] = [];
  readonly #startMs = monotonicMs();

  get elapsedMs(): number {
    return monotonicMs() - this.#startMs;
  }

  /** @returns its length. */
  end(name: OccupancySpan['name']): number {
    const span = { name, startMs: this.spans.at(-1)?.endMs ?? this.#startMs, endMs: monotonicMs() };
    this.spans.push(span);
    return span.endMs - span.startMs;
  }
}
