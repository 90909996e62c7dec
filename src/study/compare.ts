import type { ConfigurationFigures, StudyFigures } from './analyse.js';
import type { Description, Estimate } from './describe.js';

export const COMPARED = ['mean', 'p50', 'p95', 'p99', 'cv'] as const;
export type ComparedFigure = (typeof COMPARED)[number];

/** `lower` and `higher` are said only where the intervals don't overlap. */
export type Verdict = 'lower' | 'higher' | 'no difference shown' | 'too few frames';

export interface ComparedEstimate {
  readonly figure: ComparedFigure;
  readonly a: Estimate | undefined;
  readonly b: Estimate | undefined;
  /** Of B compared with A. */
  readonly verdict: Verdict;
}

export interface ComparedConfiguration {
  readonly perspective: ConfigurationFigures['perspective'];
  readonly levels: Readonly<Record<string, string>>;
  readonly figures: readonly ComparedEstimate[];
}

export interface Comparison {
  readonly configurations: readonly ComparedConfiguration[];
  /** Configurations that only one of the two has. */
  readonly onlyA: number;
  readonly onlyB: number;
}

/** Compares two studies, configuration by configuration: those with the same levels of the same factors. */
export function compareStudies(a: StudyFigures, b: StudyFigures): Comparison {
  const [first, second] = [byKey(a), byKey(b)];
  const configurations = [...first].flatMap(([key, one]): ComparedConfiguration[] => {
    const other = second.get(key);
    if (!other) return [];
    return [{ perspective: one.perspective, levels: one.levels, figures: COMPARED.map((figure) => compared(figure, one.total, other.total)) }];
  });
  return { configurations, onlyA: first.size - configurations.length, onlyB: second.size - configurations.length };
}

function byKey({ perspectives, injection }: StudyFigures): Map<string, ConfigurationFigures> {
  const all = [...perspectives.flatMap(({ configurations }) => configurations), ...(injection ? [injection.without, injection.with] : [])];
  return new Map(all.map((one) => [JSON.stringify([one.perspective, Object.entries(one.levels).sort()]), one]));
}

function compared(figure: ComparedFigure, first: Description, second: Description): ComparedEstimate {
  const [a, b] = [first[figure], second[figure]];
  return { figure, a, b, verdict: verdictOf(a, b) };
}

function verdictOf(a: Estimate | undefined, b: Estimate | undefined): Verdict {
  if (!a || !b) return 'too few frames';
  if (b.high < a.low) return 'lower';
  return b.low > a.high ? 'higher' : 'no difference shown';
}
