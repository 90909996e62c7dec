import { indicesOf, stridesOf } from '../normalise/fold-values.js';
import { factorOf, isChanged, sizeOf, type Axis, type Factor, type Part } from './axis-layout.js';
import { elementCount } from '../model-proto.js';

/** Largest deviation from a straight line, relative to the largest value: grids are written in single precision. */
const TOLERANCE = 1e-6;
/** A step of one over the size, or nearly: coordinates from 0 to 1, which another size would have to rescale. */
const NORMALIZED = 0.02;

/**
 * A constant that lies over the picture (a grid of cell coordinates, strides, anchor sizes) for another size of the picture: continued
 * along the straight lines that it follows in rows and columns.
 *
 * @param axes of the constant; where one is made of stretches for several scales, each has lines of its own.
 * @returns undefined where it doesn't follow straight lines, or where these are coordinates from 0 to 1.
 */
export function regridConstant(values: readonly number[], axes: readonly Axis[]): number[] | undefined {
  const oldStrides = stridesOf(axes.map((axis) => sizeOf(axis).old));
  const newDims = axes.map((axis) => sizeOf(axis).new);
  const newStrides = stridesOf(newDims);
  const result = Array<number>(elementCount(newDims)).fill(Number.NaN);
  for (const block of blocksOf(axes)) {
    const lines = continueBlock(block, (index) => values[offsetOf(block, index, 'old', oldStrides)]!);
    if (!lines) return undefined;
    for (const [index, value] of lines) result[offsetOf(block, index, 'new', newStrides)] = value;
  }
  return result;
}

/** One stretch of each axis, with where it begins. */
type Block = readonly { readonly part: Part; readonly start: Factor }[];

function blocksOf(axes: readonly Axis[]): Block[] {
  return axes.reduce<Block[]>((blocks, axis) => blocks.flatMap((block) => stretches(axis).map((stretch) => [...block, stretch])), [[]]);
}

function stretches(axis: Axis): Block[number][] {
  const sizes = axis.map(factorOf);
  const startOf = (place: number, size: 'old' | 'new'): number => sizes.slice(0, place).reduce((sum, one) => sum + one[size], 0);
  return axis.map((part, place) => ({ part, start: { old: startOf(place, 'old'), new: startOf(place, 'new') } }));
}

/** @param index of each factor of each axis's stretch, in order. */
function offsetOf(block: Block, index: readonly number[], size: 'old' | 'new', strides: readonly number[]): number {
  let place = 0;
  let offset = 0;
  for (const [axis, { part, start }] of block.entries()) {
    let inPart = 0;
    for (const factor of part) inPart = inPart * factor[size] + index[place++]!;
    offset += (start[size] + inPart) * strides[axis]!;
  }
  return offset;
}

function continueBlock(block: Block, valueAt: (index: readonly number[]) => number): [number[], number][] | undefined {
  const factors = block.flatMap(({ part }) => part);
  const moving = factors.flatMap((factor, place) => (factor.old === factor.new ? [] : [place]));
  const origins = indicesOf(factors.map((factor) => (factor.old === factor.new ? factor.old : 1)));
  const result: [number[], number][] = [];
  for (const origin of origins) {
    const base = valueAt(origin);
    const steps = moving.map((place) => (factors[place]!.old > 1 ? valueAt(origin.with(place, 1)) - base : 0));
    const line = (index: readonly number[]): number => moving.reduce((sum, place, i) => sum + steps[i]! * index[place]!, base);
    const places = (size: 'old' | 'new'): number[][] => indicesOf(moving.map((place) => factors[place]![size])).map((index) => moving.reduce((all, place, i) => all.with(place, index[i]!), origin));
    const isNormalized = steps.some((step, i) => step !== 0 && Math.abs(Math.abs(step) * factors[moving[i]!]!.old - 1) < NORMALIZED);
    if (isNormalized || !places('old').every((index) => isClose(valueAt(index), line(index)))) return undefined;
    for (const index of places('new')) result.push([index, line(index)]);
  }
  return result;
}

function isClose(a: number, b: number): boolean {
  return Math.abs(a - b) <= TOLERANCE * Math.max(1, Math.abs(a));
}

/** Whether a constant of `dims` lies over the picture of a tensor with `axes` (aligned at the last axis): it then has to grow or shrink with it. */
export function axesOfConstant(dims: readonly number[], axes: readonly Axis[]): readonly Axis[] | undefined {
  const aligned = dims.map((size, axis): Axis => {
    const over = axes[axis - dims.length + axes.length];
    return over && isChanged(over) && sizeOf(over).old === size && size > 1 ? over : [[{ old: size, new: size }]];
  });
  return aligned.some(isChanged) ? aligned : undefined;
}
