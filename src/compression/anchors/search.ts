/** A set of anchors that was left out, and what came of it. */
export interface EvaluatedSet {
  /** Anchors that are out, by index, rising. */
  readonly off: readonly number[];
  /** 0 to 1. */
  readonly map50: number;
  /** Multiply-accumulates of the head. */
  readonly macs: number;
  /** Mean number that a picture has before suppression. */
  readonly boxes: number;
  /** What is left of MACs and boxes, each as a share of the full head's: their mean, 0 to 1. */
  readonly cost: number;
}

export type EvaluateSet = (off: readonly number[]) => EvaluatedSet;

export interface GuidedOptions {
  readonly anchorCount: number;
  /** Sets below are given up, 0 to 1. */
  readonly minMap50: number;
  /** Stops after so many sets. */
  readonly maxSets: number;
}

/** Beyond, the guided search stands alone. */
export const MAX_EXHAUSTIVE_ANCHORS = 9;

/** Remembers what was asked before. */
export function memoized(evaluate: EvaluateSet): EvaluateSet {
  const known = new Map<string, EvaluatedSet>();
  return (off) => {
    const key = off.join();
    const found = known.get(key) ?? evaluate(off);
    known.set(key, found);
    return found;
  };
}

/** Every set that leaves an anchor on. */
export function* allSets(anchorCount: number): Generator<number[]> {
  for (let bits = 0; bits < 2 ** anchorCount - 1; bits += 1) yield Array.from({ length: anchorCount }, (_, i) => i).filter((i) => (bits >> i) & 1);
}

/**
 * Pareto-guided search, depth first (Bonnaerens, Freiberger and Dambre 2022): from a set, every further anchor is tried. One whose
 * removal makes the score better, or changes nothing at all, is followed first; of the others those that no other child beats, nor any
 * set found so far. (The paper drops the others where one is free: on few pictures luck makes an anchor free, and the way past it is lost.)
 */
export function guidedSearch(evaluate: EvaluateSet, { anchorCount, minMap50, maxSets }: GuidedOptions): EvaluatedSet[] {
  const all = Array.from({ length: anchorCount }, (_, i) => i);
  const start = evaluate([]);
  const visited = new Map<string, EvaluatedSet>([['', start]]);
  const front = new ParetoFront([start]);
  const stack = [start];
  while (stack.length > 0 && visited.size < maxSets) {
    const parent = stack.pop()!;
    if (parent.off.length === anchorCount - 1) continue;
    const children: EvaluatedSet[] = [];
    for (const added of all) {
      if (parent.off.includes(added)) continue;
      const off = [...parent.off, added].sort((a, b) => a - b);
      if (visited.has(off.join())) continue;
      const child = evaluate(off);
      visited.set(off.join(), child);
      children.push(child);
    }
    stack.push(...followed(children, parent, minMap50, front));
  }
  return [...visited.values()];
}

/** Best last: it is taken from the stack first. */
function followed(children: readonly EvaluatedSet[], parent: EvaluatedSet, minMap50: number, front: ParetoFront): EvaluatedSet[] {
  for (const child of children) front.add(child);
  const isFree = ({ map50 }: EvaluatedSet): boolean => map50 >= parent.map50;
  const worthIt = paretoFront(children.filter(({ map50 }) => map50 >= minMap50)).filter((child) => isFree(child) || front.has(child));
  const free = children.filter((child) => isFree(child) && !worthIt.includes(child));
  return [...worthIt, ...free].sort((x, y) => x.map50 - y.map50);
}

/** Sets that no other beats in both cost and score: cheapest first, each dearer one scores better. */
export function paretoFront(sets: readonly EvaluatedSet[]): EvaluatedSet[] {
  const byCost = [...sets].sort((a, b) => a.cost - b.cost || b.map50 - a.map50);
  let best = -Infinity;
  return byCost.filter(({ map50 }) => {
    if (map50 <= best) return false;
    best = map50;
    return true;
  });
}

class ParetoFront {
  #sets: EvaluatedSet[];

  constructor(sets: readonly EvaluatedSet[]) {
    this.#sets = paretoFront(sets);
  }

  add(set: EvaluatedSet): void {
    this.#sets = paretoFront([...this.#sets, set]);
  }

  has(set: EvaluatedSet): boolean {
    return this.#sets.includes(set);
  }
}

/** How much worse than the best the found sets can be at the same cost: 0 where the search missed nothing. 0 to 1. */
export function regret(best: readonly EvaluatedSet[], found: readonly EvaluatedSet[]): number {
  const bestFor = (sets: readonly EvaluatedSet[], cost: number): number => Math.max(...sets.filter((set) => set.cost <= cost).map(({ map50 }) => map50));
  // Below the cheapest set that was found nothing can be compared.
  const comparable = paretoFront(best).filter(({ cost }) => found.some((set) => set.cost <= cost));
  return Math.max(0, ...comparable.map(({ cost, map50 }) => map50 - bestFor(found, cost)));
}
