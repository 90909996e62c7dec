import { assert } from '../../core/assert.js';
import { monotonicMs } from '../../core/clock.js';
import type { InstalledOccupancyModel, OccupancyManifest } from '../../core/occupancy-manifest.js';
import type { StereoRig } from '../../core/stereo-rig.js';
import type { GridLevel, VoxelGrid } from '../../core/voxel-grid.js';
import { type InputTensor, TensorSession } from '../../inference/tensor-session.js';
import { checkRig } from '../calibration/plausible.js';
import { poolCells } from '../voxelize.js';
import { chooseCells, computedShare, REFINED_SIDE, tileCells, type Tiling, WHOLE_CUBE } from './choose-tiles.js';
import { FineCost } from './cost-model.js';
import { fineCells, fineInputs } from './fine-request.js';
import { type RigConstants, rigConstants } from './rig-constants.js';
import { planStretch, type StretchPlan, stretchToRgb } from './stretch.js';

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
   * Of every level that was computed, one byte a cell, 1 where occupied. Cells of 32 and 64 a side are only occupied within those of 16 that
   * were asked for.
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
const COARSE_CELLS = ['cells8', 'cells16'] as const;
const FINE_INPUTS = [...FEATURES, 'fine_planes', 'slabs', 'rows', 'columns'];
const FINE_CELLS = ['cells16', 'cells32', 'cells64'] as const;

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
  readonly #left: InputTensor & { readonly data: Float32Array };
  readonly #right: InputTensor & { readonly data: Float32Array };
  readonly #cost = new FineCost();
  #prepared: Prepared | undefined;

  private constructor(manifest: OccupancyManifest, coarse: TensorSession, fine: TensorSession) {
    const { width, height } = manifest.input;
    const picture = () => ({ data: new Float32Array(3 * width * height), dims: [1, 3, height, width] });
    this.manifest = manifest;
    this.#coarse = coarse;
    this.#fine = fine;
    this.#left = picture();
    this.#right = picture();
  }

  /** @throws AppError ERR_MODEL_CORRUPT */
  static async load({ manifest, coarsePath, finePath }: InstalledOccupancyModel, { threads }: OccupancyNetworkOptions): Promise<OccupancyNetwork> {
    const coarse = await TensorSession.load({ modelPath: coarsePath, threads }, COARSE_INPUTS, [...COARSE_CELLS, ...FEATURES]);
    try {
      return new OccupancyNetwork(manifest, coarse, await TensorSession.load({ modelPath: finePath, threads }, FINE_INPUTS, FINE_CELLS));
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
    stretchToRgb(left, prepared.stretch, this.#left.data);
    stretchToRgb(right, prepared.stretch, this.#right.data);
    watch.end('prepare');
    const answer = await runCoarse(this.#coarse, this.#left, this.#right, prepared.constants, level > REFINED_SIDE);
    const coarseMs = watch.end('coarse');
    const coarse = this.#decideCoarse(answer, level);
    if (level <= REFINED_SIDE) return { ...coarse, computedShare: 0, spans: watch.spans };
    const chosen = chooseCells(answer.cells16.data, this.manifest.refine);
    const tiling = isWhole ? WHOLE_CUBE : tileCells(chosen);
    const share = computedShare(tiling);
    const isWorthIt = this.#cost.fits(coarseMs, share, budgetMs - watch.elapsedMs);
    watch.end('choose');
    if (!isWorthIt) return { ...coarse, computedShare: 0, spans: watch.spans };
    const cells = await this.#refine(answer, prepared.constants, tiling, isWhole ? undefined : chosen, level);
    this.#cost.learn(coarseMs, share, watch.end('fine'));
    return { level, cells: { ...coarse.cells, ...this.#withLevel8(cells, coarse.cells[8]!) }, computedShare: share, spans: watch.spans };
  }

  async close(): Promise<void> {
    await Promise.all([this.#coarse.release(), this.#fine.release()]);
  }

  #decideCoarse({ cells8, cells16 }: CoarseAnswer, level: GridLevel): Pick<OccupancyFinding, 'level' | 'cells'> {
    const { thresholds, level8 } = this.manifest;
    const sixteen = above(cells16.data, thresholds.coarse['16']);
    const eight = level8 === 'cells8' ? above(cells8.data, thresholds.coarse['8']) : poolCells(sixteen, REFINED_SIDE);
    return level === 8 ? { level: 8, cells: { 8: eight } } : { level: 16, cells: { 8: eight, 16: sixteen } };
  }

  async #refine(answer: CoarseAnswer, { finePlanes, rows, columns }: RigConstants, tiling: Tiling, chosen: Uint8Array | undefined, level: GridLevel): Promise<Partial<Record<GridLevel, Uint8Array>>> {
    const { fine } = this.manifest.thresholds;
    const features = Object.fromEntries(FEATURES.map((name) => [name, answer[name]!]));
    const wanted = level === 32 ? FINE_CELLS.slice(0, 2) : FINE_CELLS;
    const found = tiling.tiles.length === 0 ? undefined : await this.#fine.run({ ...features, fine_planes: finePlanes, ...fineInputs(tiling, rows, columns) }, wanted);
    const at = (side: 16 | 32 | 64): Uint8Array => fineCells(found?.[`cells${side}`].data, tiling, chosen, side, fine[side]);
    return { 16: at(16), 32: at(32), ...(level === 64 && { 64: at(64) }) };
  }

  #withLevel8(cells: Partial<Record<GridLevel, Uint8Array>>, own: Uint8Array): Partial<Record<GridLevel, Uint8Array>> {
    return { ...cells, 8: this.manifest.level8 === 'cells8' ? own : poolCells(cells[16]!, REFINED_SIDE) };
  }
}

async function runCoarse(session: TensorSession, left: InputTensor, right: InputTensor, { nearPlanes, farPlanes, coarseRows, coarseColumns }: RigConstants, withFeatures: boolean) {
  const feeds = { left, right, near_planes: nearPlanes, far_planes: farPlanes, coarse_rows: coarseRows, coarse_columns: coarseColumns };
  const answer = await session.run(feeds, withFeatures ? [...COARSE_CELLS, ...FEATURES] : COARSE_CELLS);
  return answer as Record<(typeof COARSE_CELLS)[number], { data: Float32Array }> & Partial<Record<(typeof FEATURES)[number], { data: Float32Array; dims: readonly number[] }>>;
}

function above(probabilities: Float32Array, threshold: number): Uint8Array {
  return Uint8Array.from(probabilities, (probability) => Number(probability > threshold));
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
