/** One observation of a designed experiment. */
export interface Observation {
  readonly levels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Effect {
  /** `threads`, or `threads x streams` for an interaction. */
  readonly name: string;
  readonly factors: readonly string[];
  readonly degreesOfFreedom: number;
  /** Sum of squares over the total's, 0 to 1. */
  readonly etaSquared: number;
}

export interface EffectAnalysis {
  readonly n: number;
  /** Largest first. */
  readonly effects: readonly Effect[];
  /** Within the cells: what no factor explains. */
  readonly residualShare: number;
  /** Cells are unequal in size or missing: effects overlap, and their shares need not sum to one with the residual. */
  readonly isBalanced: boolean;
}

interface Cell {
  readonly levels: Readonly<Record<string, string>>;
  n: number;
  sum: number;
}

/** A cell that has this much more than another is no longer equal: a frame or two are lost in any run. */
const BALANCE_TOLERANCE = 0.02;

/**
 * Analysis of variance: how much of the variance of the observations each factor and each pair of factors explains (eta squared).
 *
 * Sums of squares are of type II: an effect is what the model loses without it, among all terms that don't contain it (Langsrud 2003). In a
 * balanced experiment they are the classic ones and sum to one with the residual; where cells are unequal or missing they needn't, which
 * `isBalanced` says.
 *
 * @param factors by name; those with one level are left out.
 */
export function analyseEffects(observations: readonly Observation[], factors: readonly string[]): EffectAnalysis {
  const varying = factors.filter((factor) => new Set(observations.map(({ levels }) => levels[factor])).size > 1);
  const cells = cellsOf(observations, varying);
  const n = observations.length;
  const mean = cells.reduce((sum, cell) => sum + cell.sum, 0) / n;
  const total = observations.reduce((sum, { value }) => sum + (value - mean) ** 2, 0);
  const between = cells.reduce((sum, cell) => sum + cell.n * (cell.sum / cell.n - mean) ** 2, 0);
  const mains = varying.map((factor) => [factor]);
  const pairs = varying.flatMap((a, i) => varying.slice(i + 1).map((b) => [a, b]));
  const terms = [...mains, ...pairs];
  const share = (squares: number) => (total === 0 ? 0 : Math.min(1, Math.max(0, squares / total)));
  const effects = terms.map((term): Effect => {
    const others = terms.filter((other) => other !== term && !term.every((factor) => other.includes(factor)));
    const without = fitSquares(cells, others, mean);
    const with_ = fitSquares(cells, [...others, term], mean);
    return { name: term.join(' x '), factors: term, degreesOfFreedom: with_.rank - without.rank, etaSquared: share(with_.squares - without.squares) };
  });
  return {
    n,
    // An interaction whose cells were not all tried can't be told from its factors.
    effects: effects.filter(({ degreesOfFreedom }) => degreesOfFreedom > 0).sort((a, b) => b.etaSquared - a.etaSquared),
    residualShare: share(total - between),
    isBalanced: isBalanced(cells, varying),
  };
}

function cellsOf(observations: readonly Observation[], factors: readonly string[]): Cell[] {
  const cells = new Map<string, Cell>();
  for (const { levels, value } of observations) {
    const key = JSON.stringify(factors.map((factor) => levels[factor]));
    const cell = cells.get(key);
    if (cell) {
      cell.n += 1;
      cell.sum += value;
    } else cells.set(key, { levels, n: 1, sum: value });
  }
  return [...cells.values()];
}

function isBalanced(cells: readonly Cell[], factors: readonly string[]): boolean {
  const wanted = factors.reduce((product, factor) => product * new Set(cells.map(({ levels }) => levels[factor])).size, 1);
  const counts = cells.map(({ n }) => n);
  return cells.length === wanted && Math.max(...counts) <= Math.min(...counts) * (1 + BALANCE_TOLERANCE) + 1;
}

/** What a model of these terms explains of the cells' means: its sum of squares around the grand mean, and how many columns that took. */
function fitSquares(cells: readonly Cell[], terms: readonly (readonly string[])[], mean: number): { squares: number; rank: number } {
  const weights = cells.map(({ n }) => Math.sqrt(n));
  const target = cells.map((cell, i) => weights[i]! * (cell.sum / cell.n - mean));
  const basis: number[][] = [];
  const columns = [cells.map(() => 1), ...terms.flatMap((term) => indicatorColumns(cells, term))];
  for (const column of columns) {
    const direction = orthogonalise(column.map((value, i) => value * weights[i]!), basis);
    if (direction) basis.push(direction);
  }
  const squares = basis.reduce((sum, direction) => sum + dot(direction, target) ** 2, 0);
  return { squares, rank: basis.length };
}

/** One column for each combination of levels that occurs. */
function indicatorColumns(cells: readonly Cell[], term: readonly string[]): number[][] {
  const keys = cells.map(({ levels }) => JSON.stringify(term.map((factor) => levels[factor])));
  return [...new Set(keys)].map((key) => keys.map((own) => (own === key ? 1 : 0)));
}

const DEPENDENT = 1e-9;

/** Gram and Schmidt, twice (Kahan: twice is enough); undefined where the column is made of those before it. */
function orthogonalise(column: readonly number[], basis: readonly (readonly number[])[]): number[] | undefined {
  const length = Math.sqrt(dot(column, column));
  let rest = [...column];
  for (let pass = 0; pass < 2; pass += 1) {
    for (const direction of basis) {
      const along = dot(rest, direction);
      rest = rest.map((value, i) => value - along * direction[i]!);
    }
  }
  const left = Math.sqrt(dot(rest, rest));
  return left <= DEPENDENT * length ? undefined : rest.map((value) => value / left);
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0);
}
