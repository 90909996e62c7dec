import { elementCount } from '../model-proto.js';

/** A size that the picture's size may have a say in: what it was, what it becomes. */
export interface Factor {
  readonly old: number;
  readonly new: number;
}

/** Factors of a stretch of an axis, outermost first: 3 anchors by 40 rows by 40 columns. */
export type Part = readonly Factor[];

/** What an axis is made of, in order: one stretch for each scale of a detector where they were joined, else one. */
export type Axis = readonly Part[];

/** A tensor's axes under both sizes of the picture. */
export type Layout = readonly Axis[];

export function factorOf(part: Part): Factor {
  return { old: elementCount(part.map((factor) => factor.old)), new: elementCount(part.map((factor) => factor.new)) };
}

export function sizeOf(axis: Axis): Factor {
  const parts = axis.map(factorOf);
  return { old: parts.reduce((sum, part) => sum + part.old, 0), new: parts.reduce((sum, part) => sum + part.new, 0) };
}

export function isChanged(axis: Axis): boolean {
  const size = sizeOf(axis);
  return size.old !== size.new;
}

/** Axes that nothing more is known of than their sizes. */
export function plainLayout(oldDims: readonly number[], newDims: readonly number[]): Layout {
  return oldDims.map((old, axis) => [[{ old, new: newDims[axis]! }]]);
}

/** Axes of a result; those of the same sizes as in `from` are made of the same. Aligned at the last axis, as broadcasting does. */
export function inheritLayout(from: readonly Layout[], oldDims: readonly number[], newDims: readonly number[]): Layout {
  return plainLayout(oldDims, newDims).map((plain, axis) => {
    const candidates = from.map((layout) => layout[axis - oldDims.length + layout.length]).filter((one) => one !== undefined);
    return candidates.find((one) => sameSize(one, plain)) ?? plain;
  });
}

function sameSize(a: Axis, b: Axis): boolean {
  const [first, second] = [sizeOf(a), sizeOf(b)];
  return first.old === second.old && first.new === second.new;
}

/** Joins axes end to end. */
export function joinAxes(axes: readonly Axis[]): Axis {
  return axes.flat();
}

/**
 * The axes that a Reshape from `layout` to `oldDims` makes, followed factor by factor from the first axis on; undefined where an output
 * axis takes a part of a size that changes, because nobody can tell which part.
 */
export function regroup(layout: Layout, oldDims: readonly number[]): Layout | undefined {
  const waiting: Axis[] = layout.flatMap((axis) => (axis.length === 1 ? axis[0]!.map((factor): Axis => [[factor]]) : [axis]));
  const result: Axis[] = [];
  for (const [i, wanted] of oldDims.entries()) {
    const taken = takeFactors(waiting, wanted);
    if (!taken) return undefined;
    // Ones that are left belong to nobody.
    if (i === oldDims.length - 1) taken.push(...waiting.splice(0).filter((axis) => sizeOf(axis).old !== 1 || isChanged(axis)));
    result.push(multiply(taken));
  }
  return result.every((axis, i) => sizeOf(axis).old === oldDims[i]) ? result : undefined;
}

/** Takes factors off the front until they make up `wanted`. */
function takeFactors(waiting: Axis[], wanted: number): Axis[] | undefined {
  const taken: Axis[] = [];
  for (let product = 1; product < wanted; ) {
    const next = waiting.shift();
    if (!next) return undefined;
    const { old } = sizeOf(next);
    const rest = wanted / product;
    if (rest % old === 0) {
      taken.push(next);
      product *= old;
    } else {
      if (old % rest !== 0 || isChanged(next)) return undefined;
      taken.push(constantAxis(rest));
      waiting.unshift(constantAxis(old / rest));
      product *= rest;
    }
  }
  return taken;
}

function constantAxis(size: number): Axis {
  return [[{ old: size, new: size }]];
}

/** One axis of several: factors follow each other, stretches of different scales stay apart only where nothing multiplies them. */
function multiply(axes: readonly Axis[]): Axis {
  const real = axes.filter((axis) => sizeOf(axis).old !== 1 || isChanged(axis));
  if (real.length === 0) return constantAxis(1);
  if (real.length === 1) return real[0]!;
  return [real.flatMap((axis) => (axis.length === 1 ? axis[0]! : [sizeOf(axis)]))];
}
