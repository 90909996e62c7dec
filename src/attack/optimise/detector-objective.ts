import type { Detections } from '../../core/detections.js';
import type { ImageFit } from '../../core/image-fit.js';
import { SeededRandom } from '../../core/seeded-random.js';
import type { FittedPicture } from '../../core/picture-set.js';
import type { Size } from '../../core/size.js';
import type { Candidate } from '../../guard/passes.js';
import type { ModelQueries } from '../model-queries.js';
import { pastePatch, type PatchPyramid, patchPyramid, planarTarget } from '../paste.js';
import { greyscalePatch, type PatchImage } from '../patch-image.js';
import { patchPolygon, type PlacedPatch, type Xywh } from '../placement.js';
import type { PlannedPatch } from '../plan-patches.js';
import { gridPatch, totalVariation } from './grid-patch.js';
import type { PatchObjective } from './objective.js';

/** `hide`: who carries the patch isn't found. `appear`: something is found where only the patch is. */
export type AttackGoal = 'hide' | 'appear';

/** A picture that queries are made of, and where patches may lie in it. */
export interface AttackScene {
  readonly picture: FittedPicture;
  readonly patches: readonly PlannedPatch[];
}

/** How far circumstances differ from the plan: an attacker can't choose how a patch is seen. */
export interface Jitter {
  /** Of the centre, in sides of the patch. */
  readonly shift: number;
  /** Of the side, as a share of it. */
  readonly scale: number;
  readonly rotationDeg: number;
  /** As a share. */
  readonly brightness: number;
}

export interface DetectorObjectiveOptions {
  readonly queries: ModelQueries;
  /** Of the model's input. */
  readonly inputSize: Size;
  readonly scenes: readonly AttackScene[];
  readonly goal: AttackGoal;
  /** Places among the labels of the model: any of these counts. */
  readonly classIds: ReadonlySet<number>;
  readonly grid: number;
  /** The patch is printed in black and white. */
  readonly greyscale: boolean;
  readonly seed: number;
  /** Scenes that one loss is the mean of. */
  readonly scenesPerLoss: number;
  readonly jitter: Jitter;
  readonly smoothness: number;
  /** Weight of the guard's evidence at the patch; 0 where the attacker doesn't know of a guard. */
  readonly evidenceWeight: number;
}

export const DEFAULT_JITTER: Jitter = { shift: 0.1, scale: 0.15, rotationDeg: 8, brightness: 0.15 };

/** A box that overlaps an object by so much still finds it, more or less: lower than what counts as found, so that a moved box is no escape. */
const STILL_FOUND_IOU = 0.3;
/** An object appears at a patch where its box's centre lies within so many sides of the patch's. */
const APPEARING_REACH = 1;
/** A candidate that holds so much of a patch points at it. */
const CANDIDATE_SHARE = 0.3;
/** Evidence (log odds over the trigger) that counts half as much as the most there can be. */
const HALF_EVIDENCE = 5;

/** What a search makes smaller, on a model that only answers. */
export class DetectorObjective implements PatchObjective {
  readonly queriesPerLoss: number;
  readonly #options: DetectorObjectiveOptions;

  /** @param options with one scene at least. */
  constructor(options: DetectorObjectiveOptions) {
    this.#options = options;
    this.queriesPerLoss = Math.min(options.scenesPerLoss, options.scenes.length);
  }

  losses(candidates: readonly Float32Array[], draw: number): Promise<number[]> {
    const { grid, greyscale, smoothness } = this.#options;
    const circumstances = this.#draw(draw);
    return Promise.all(
      candidates.map(async (colours) => {
        const patch = gridPatch(colours, grid);
        const pyramid = patchPyramid(greyscale ? greyscalePatch(patch) : patch);
        const losses = await Promise.all(circumstances.map((scene) => this.#sceneLoss(scene, pyramid)));
        return mean(losses) + smoothness * totalVariation(colours, grid);
      }),
    );
  }

  /** Scenes without repetition, each with its patches moved a little. */
  #draw(draw: number): AttackScene[] {
    const { scenes, seed, jitter } = this.#options;
    const random = new SeededRandom(seed, draw);
    const left = [...scenes];
    return Array.from({ length: this.queriesPerLoss }, () => {
      const [{ picture, patches }] = left.splice(random.integer(left.length), 1) as [AttackScene];
      return { picture, patches: patches.map((patch) => ({ ...patch, placed: jittered(patch.placed, jitter, random) })) };
    });
  }

  async #sceneLoss(scene: AttackScene, pyramid: PatchPyramid): Promise<number> {
    const { score, evidence } = await judgeScene(this.#options, scene, pyramid);
    return (this.#options.goal === 'hide' ? score : -score) + this.#options.evidenceWeight * evidence;
  }
}

/** How a patch does. */
export interface PatchJudgement {
  /** Mean over the patches of the best score: of the object that carries it, or of what appears at it. 0 to 1. */
  readonly score: number;
  /** Mean over the patches of the guard's evidence, squeezed to 0 to 1; 0 where no guard was asked. */
  readonly evidence: number;
}

export type JudgementOptions = Pick<DetectorObjectiveOptions, 'queries' | 'inputSize' | 'goal' | 'classIds'>;

/** Judges a patch in scenes just as they were planned, one query each. */
export async function judgePatch(options: JudgementOptions, scenes: readonly AttackScene[], patch: PatchImage): Promise<PatchJudgement> {
  const pyramid = patchPyramid(patch);
  const judgements = await Promise.all(scenes.map((scene) => judgeScene(options, scene, pyramid)));
  return { score: mean(judgements.map(({ score }) => score)), evidence: mean(judgements.map(({ evidence }) => evidence)) };
}

async function judgeScene(options: JudgementOptions, { picture, patches }: AttackScene, pyramid: PatchPyramid): Promise<PatchJudgement> {
  const { detections, candidates } = await options.queries.run(pasted(picture, options.inputSize, patches, pyramid));
  return {
    score: mean(patches.map((patch) => scoreAt(patch, detections, options))),
    evidence: mean(patches.map(({ placed }) => evidenceAt(placed, candidates, picture.fit))),
  };
}

/** The best score of what the attack is about: of the object that carries the patch, or of anything that appears at it. */
export function scoreAt({ placed, carrier }: Pick<PlannedPatch, 'placed' | 'carrier'>, detections: Detections, { goal, classIds }: Pick<JudgementOptions, 'goal' | 'classIds'>): number {
  if (goal === 'hide' && carrier) return bestScore(detections, classIds, (box) => iou(box, carrier) >= STILL_FOUND_IOU);
  return bestScore(detections, classIds, ([left, top, right, bottom]) => {
    const distance = Math.max(Math.abs((left + right) / 2 - placed.centreX), Math.abs((top + bottom) / 2 - placed.centreY));
    return distance <= APPEARING_REACH * placed.sidePx;
  });
}

/** The picture, `size` pixels large, with the patch in all its places. */
export function pasted(picture: FittedPicture, size: Size, patches: readonly Pick<PlannedPatch, 'placed'>[], pyramid: PatchPyramid): FittedPicture {
  const pixels = Uint8Array.from(picture.pixels);
  for (const { placed } of patches) pastePatch(planarTarget(pixels, size), pyramid, placed, picture.fit);
  return { ...picture, pixels };
}

/** The best score of some classes among boxes that pass; 0 where none does. */
function bestScore({ count, xyxy, confidence, classId }: Detections, wanted: ReadonlySet<number>, passes: (box: readonly [number, number, number, number]) => boolean): number {
  let best = 0;
  for (let i = 0; i < count; i += 1) {
    if (!wanted.has(classId[i]!) || confidence[i]! <= best) continue;
    if (passes([xyxy[4 * i]!, xyxy[4 * i + 1]!, xyxy[4 * i + 2]!, xyxy[4 * i + 3]!])) best = confidence[i]!;
  }
  return best;
}

/** The guard's evidence at a patch, squeezed to 0 to 1: candidates that hold a good part of it. */
export function evidenceAt(placed: PlacedPatch, candidates: readonly Candidate[], { scaleX, scaleY, padX, padY }: ImageFit): number {
  const polygon = patchPolygon(placed);
  const xs = polygon.filter((_, i) => i % 2 === 0).map((x) => x * scaleX + padX);
  const ys = polygon.filter((_, i) => i % 2 === 1).map((y) => y * scaleY + padY);
  const [left, top, right, bottom] = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  const area = (right - left) * (bottom - top);
  const there = candidates.filter(({ region }) => {
    const width = Math.min(right, region.right) - Math.max(left, region.left);
    const height = Math.min(bottom, region.bottom) - Math.max(top, region.top);
    return width > 0 && height > 0 && width * height >= CANDIDATE_SHARE * area;
  });
  const most = Math.max(0, ...there.map(({ evidence }) => evidence));
  return most / (most + HALF_EVIDENCE);
}

function jittered({ centreX, centreY, sidePx, rotationDeg, brightness }: PlacedPatch, jitter: Jitter, random: SeededRandom): PlacedPatch {
  const about = (extent: number): number => random.uniform(-extent, extent);
  return {
    centreX: centreX + about(jitter.shift) * sidePx,
    centreY: centreY + about(jitter.shift) * sidePx,
    sidePx: sidePx * (1 + about(jitter.scale)),
    rotationDeg: rotationDeg + about(jitter.rotationDeg),
    brightness: brightness * (1 + about(jitter.brightness)),
  };
}

function iou([left, top, right, bottom]: readonly [number, number, number, number], [x, y, width, height]: Xywh): number {
  const shared = Math.max(0, Math.min(right, x + width) - Math.max(left, x)) * Math.max(0, Math.min(bottom, y + height) - Math.max(top, y));
  return shared === 0 ? 0 : shared / ((right - left) * (bottom - top) + width * height - shared);
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
