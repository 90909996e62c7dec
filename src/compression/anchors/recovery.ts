import type { AnchorModel, ScaleWeights } from './anchor-head.js';
import { refitScale, type RefitOptions } from './refit.js';
import { refitTargets } from './refit-targets.js';
import type { TeacherCells } from './teacher-cells.js';

/** Last layers that learned what removed anchors saw. */
export interface RecoveredHead {
  /** New numbers by scale index; scales that nothing was handed to keep theirs. */
  readonly weights: ReadonlyMap<number, ScaleWeights>;
  /** Boxes of removed anchors that kept ones were taught. */
  readonly handedOn: number;
}

/**
 * Refits the last layers of a pruned head: the full head is the teacher, no labels are needed.
 */
export function recoverHead(full: AnchorModel, teacher: TeacherCells, off: readonly number[], options: Partial<RefitOptions>): RecoveredHead {
  const targets = refitTargets(full, teacher, off).filter(({ handedOn }) => handedOn > 0);
  return { weights: new Map(targets.map((one) => [one.scaleIndex, refitScale(full, one, options)])), handedOn: targets.reduce((sum, { handedOn }) => sum + handedOn, 0) };
}

/**
 * Weights between the full head's and the refitted ones. The full head's are what a kept anchor could do alone; how far to go is a
 * matter of measuring.
 *
 * @param share 0 are the full head's, 1 the refitted ones.
 */
export function blendHead(full: AnchorModel, off: readonly number[], { weights }: Pick<RecoveredHead, 'weights'>, share: number): Map<number, ScaleWeights> {
  return new Map([...weights].map(([scaleIndex, refitted]) => [scaleIndex, blendScale(full, off, scaleIndex, refitted, share)]));
}

function blendScale({ layers, anchors, columns }: AnchorModel, off: readonly number[], scaleIndex: number, refitted: ScaleWeights, share: number): ScaleWeights {
  const layer = layers[scaleIndex]!;
  const filters = anchors.filter((anchor) => anchor.scaleIndex === scaleIndex && !off.includes(anchor.index)).flatMap(({ inScale }) => Array.from({ length: columns }, (_, i) => inScale * columns + i));
  const mix = (from: Float32Array, to: Float32Array, size: number): Float32Array => to.map((value, i) => {
    const old = from[filters[Math.floor(i / size)]! * size + (i % size)]!;
    return old + share * (value - old);
  });
  return { weights: mix(layer.weights, refitted.weights, layer.filterSize), bias: mix(layer.bias, refitted.bias, 1) };
}

/** The part of a teacher's pictures that `keep` wants. @param views of each picture, one after the other */
export function teacherPart({ pictures, description }: TeacherCells, views: number, keep: (picture: number) => boolean): TeacherCells {
  return { description, pictures: pictures.filter((_, i) => keep(Math.floor(i / views))) };
}

