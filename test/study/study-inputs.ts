import { expect } from 'vitest';
import { runCli } from '../fixtures/cli.js';

interface Configuration {
  readonly levels: Readonly<Record<string, string>>;
  readonly runs: number;
  readonly latency_ms: { readonly n: number; readonly mean: { readonly value: number } };
  readonly mean_ms_by_stage: Readonly<Record<string, number>>;
}

export interface SweepStudy {
  readonly frames: number;
  readonly perspectives: readonly { readonly perspective: string; readonly configurations: readonly Configuration[] }[];
  readonly notes: readonly string[];
}

/** Frames that are kept of each run of `studyInput`. */
export const KEPT = 12;

/** A short study of an input, as a user has it done. */
export async function studyInput(input: string, factors: string, home: string, more: readonly string[] = []): Promise<SweepStudy> {
  const result = await runCli(['study', input, '--factors', factors, '--blocks', '1', '--frames', String(KEPT), '--warmup', '2', ...more, '--json'], home);
  expect(result.stderr).not.toMatch(/ERR_/);
  expect(result.status).toBe(0);
  return JSON.parse(result.stdout) as SweepStudy;
}

/** Levels of the configurations that were run, each with all of its frames and a time. */
export function levelsOf({ perspectives }: SweepStudy, perspective: string): Readonly<Record<string, string>>[] {
  const { configurations } = perspectives.find((one) => one.perspective === perspective)!;
  for (const { levels, latency_ms: latency } of configurations) {
    expect(latency.n, JSON.stringify(levels)).toBe(KEPT);
    expect(latency.mean.value).toBeGreaterThan(0);
  }
  return configurations.map(({ levels }) => levels);
}
