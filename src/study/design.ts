import { SeededRandom } from '../core/seeded-random.js';
import type { Perspective } from './perspectives.js';

export interface Factor {
  readonly name: string;
  /** The first is the usual one. */
  readonly levels: readonly string[];
}

/** What is tried from one perspective. */
export interface Sweep {
  readonly perspective: Perspective;
  readonly factors: readonly Factor[];
  /** Groups of factors, by name, of which every combination is tried, which shows how they interact. All else varies one at a time. */
  readonly crossed: readonly (readonly string[])[];
}

export interface PlannedRun {
  readonly perspective: Perspective | 'injection';
  readonly levels: Readonly<Record<string, string>>;
  readonly block: number;
}

/** The configurations of a sweep, each once: the level of each factor, the usual configuration first. */
export function configurationsOf({ factors, crossed }: Sweep): Readonly<Record<string, string>>[] {
  const usual = Object.fromEntries(factors.map(({ name, levels }) => [name, levels[0]!]));
  const groups = [...crossed.map((names) => factors.filter(({ name }) => names.includes(name))), ...factors.map((factor) => [factor])];
  const all = groups.flatMap((group) => combinations(group).map((levels) => ({ ...usual, ...levels })));
  return [...new Map([usual, ...all].map((levels) => [JSON.stringify(levels), levels])).values()];
}

/**
 * The runs of an experiment in randomised complete blocks: each block tries every configuration once, in an order of its own, so that a
 * machine that slows down with time slows no configuration more than another. The same seed gives the same order.
 */
export function planRuns(sweeps: readonly Sweep[], blocks: number, seed: number): PlannedRun[] {
  const configurations = sweeps.flatMap((sweep) => configurationsOf(sweep).map((levels) => ({ perspective: sweep.perspective, levels })));
  const random = new SeededRandom(seed, 5);
  return Array.from({ length: blocks }, (_, block) => shuffled(configurations, random).map((configuration) => ({ ...configuration, block }))).flat();
}

/** With and without, in turns that swap from block to block. */
export function planInjection(injections: readonly string[], blocks: number): PlannedRun[] {
  const with_ = injections.join(' ');
  return Array.from({ length: blocks }, (_, block) => {
    const pair = ['none', with_].map((injection): PlannedRun => ({ perspective: 'injection', levels: { injection }, block }));
    return block % 2 === 0 ? pair : pair.reverse();
  }).flat();
}

function combinations(factors: readonly Factor[]): Readonly<Record<string, string>>[] {
  return factors.reduce<Record<string, string>[]>((sofar, { name, levels }) => sofar.flatMap((one) => levels.map((level) => ({ ...one, [name]: level }))), [{}]);
}

function shuffled<Item>(items: readonly Item[], random: SeededRandom): Item[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i -= 1) {
    const j = random.integer(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
