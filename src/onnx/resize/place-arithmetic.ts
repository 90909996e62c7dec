import { factorOf, type Axis, type Factor } from './axis-layout.js';

/** One coordinate in a number that says where something is: row, column, channel. */
interface Term {
  /** Tells coordinates of different tensors apart. */
  readonly coordinate: string;
  /** It counts from 0 to one less. */
  readonly extent: Factor;
  readonly coefficient: Factor;
}

/**
 * What an integer tensor computed from places says, as a sum of coordinates: TopK over `[channel, row, column]` gives
 * `channel * (rows * columns) + row * columns + column`. Detectors take that apart again with divisors that hold the picture's size.
 */
export type Place = readonly Term[];

/** A place taken further by a constant, and what the constant becomes. */
export interface PlaceStep {
  readonly place: Place;
  readonly constant: Factor;
}

/** Places along an axis; undefined where it joins several scales. */
export function placeOnAxis(name: string, axis: Axis): Place | undefined {
  const [part] = axis;
  if (!part || axis.length > 1) return undefined;
  return part.map((extent, i) => ({ coordinate: `${name}:${i}`, extent, coefficient: factorOf(part.slice(i + 1)) })).filter(({ extent }) => extent.old > 1);
}

/** One more than the greatest value. */
export function rangeOf(place: Place): Factor {
  const range = (size: 'old' | 'new'): number => place.reduce((sum, { coefficient, extent }) => sum + coefficient[size] * (extent[size] - 1), 1);
  return { old: range('old'), new: range('new') };
}

/** Whole division by `divisor`: the coordinates above it stay. Undefined where it doesn't fall between two coordinates. */
export function dividePlace(place: Place, divisor: number): PlaceStep | undefined {
  const cut = cutPlace(place, divisor);
  if (!cut) return undefined;
  const over = (value: number, by: number): number => value / by;
  const divided = cut.above.map((term) => ({ ...term, coefficient: { old: over(term.coefficient.old, divisor), new: over(term.coefficient.new, cut.constant.new) } }));
  return { place: divided, constant: cut.constant };
}

/** The rest of a division by `divisor`: the coordinates below it stay. */
export function modPlace(place: Place, divisor: number): PlaceStep | undefined {
  const cut = cutPlace(place, divisor);
  return cut && { place: cut.below, constant: cut.constant };
}

function cutPlace(place: Place, divisor: number): { above: Place; below: Place; constant: Factor } | undefined {
  const above = place.filter(({ coefficient }) => coefficient.old % divisor === 0);
  const below = place.filter((term) => !above.includes(term));
  const range = rangeOf(below);
  // The unit that the lowest coordinate above counts in; where there is none, nothing is cut off.
  const constant = above.length === 0 ? range : above.map(({ coefficient }) => coefficient).reduce((low, one) => (one.old < low.old ? one : low));
  const isClean = constant.old === divisor && range.old <= constant.old && range.new <= constant.new && above.every(({ coefficient }) => coefficient.new % constant.new === 0);
  return isClean ? { above, below, constant } : undefined;
}

/** `high * factor + low`, as coordinates are put together again: the factor has to be the range of `low`. */
export function joinPlaces(high: Place, factor: number, low: Place): PlaceStep | undefined {
  const range = rangeOf(low);
  if (range.old !== factor) return undefined;
  const raised = high.map((term) => ({ ...term, coefficient: { old: term.coefficient.old * factor, new: term.coefficient.new * range.new } }));
  return { place: [...raised, ...low], constant: range };
}

/** `from - taken * factor`: the factor has to be the unit in which `from` counts what is taken. */
export function subtractRaised(from: Place, taken: Place, factor: number): PlaceStep | undefined {
  const [lowest] = taken.toSorted((a, b) => a.coefficient.old - b.coefficient.old);
  const unit = lowest && from.find(({ coordinate, coefficient }) => coordinate === lowest.coordinate && coefficient.old === lowest.coefficient.old * factor)?.coefficient;
  if (!lowest || !unit) return undefined;
  const constant = { old: factor, new: unit.new / lowest.coefficient.new };
  const raised = taken.map((term) => ({ ...term, coefficient: { old: term.coefficient.old * factor, new: term.coefficient.new * constant.new } }));
  const place = subtractPlace(from, raised);
  return place && { place, constant };
}

/** `from - taken`, where all that is taken is in there. */
export function subtractPlace(from: Place, taken: Place): Place | undefined {
  const isIn = (term: Term): boolean => from.some((other) => other.coordinate === term.coordinate && other.coefficient.old === term.coefficient.old && other.coefficient.new === term.coefficient.new);
  return taken.every(isIn) ? from.filter(({ coordinate }) => !taken.some((term) => term.coordinate === coordinate)) : undefined;
}
