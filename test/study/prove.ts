import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, type TestContext } from 'vitest';
import { runCli } from '../fixtures/cli.js';
import { makeClip } from '../fixtures/index.js';

interface Shares {
  readonly by_stage: Readonly<Record<string, number>>;
  readonly by_factor: Readonly<Record<string, number>>;
  readonly by_cause: Readonly<Record<string, number>>;
}

export interface InjectionStudy {
  readonly added_variance: Shares & { readonly ms2: number };
  readonly without: { readonly variance_ms2: number; readonly mean_ms_by_cause: Readonly<Record<string, number>> };
  readonly with: { readonly variance_ms2: number };
}

/** A definition of a stream of 20 dark pictures a second with the model of a folder. */
export async function streamOf(folder: string, model: string): Promise<string> {
  const clip = await makeClip({ width: 320, height: 240, fps: 20, frames: 200, source: 'color=c=0x202020' });
  const options = `{ model: ${JSON.stringify(model)}, maxDetections: 1000, confidenceThreshold: 0.3, cores: 1, mode: latency }`;
  const path = join(folder, 'stream.yaml');
  writeFileSync(path, `name: bench\nsource: { kind: file, path: ${JSON.stringify(clip)} }\nstages:\n  - { id: detect, kind: detector.yolo, options: ${options} }\n`);
  return path;
}

/** Runs the pipeline with and without a disturbance, as a user does, and gives where the added variance was found. */
async function study(stream: string, injection: string, home: string): Promise<InjectionStudy> {
  const result = await runCli(['study', stream, '--inject', injection, '--blocks', '1', '--frames', '60', '--warmup', '20', '--json'], home);
  expect(result.stderr).not.toMatch(/error/);
  expect(result.status).toBe(0);
  return JSON.parse(result.stdout) as InjectionStudy;
}

/** Where the machine's own variance is more than this share of what was added, ours isn't big against it. */
const MOST_NOISE = 0.1;
const ATTEMPTS = 2;
const PROOF = 0.9;

/** For tests that call `expectFound`: two attempts on a busy machine. */
export const PROOF_TIMEOUT_MS = 90_000;

/**
 * Asserts that 90 % of the variance that a disturbance adds are found where it was put. What others on this machine added meanwhile is
 * variance too: it shows as hardware (kept off the processors) and is left out, unless hardware is what was disturbed.
 */
export async function expectFound(context: TestContext, stream: string, injection: string, home: string, { stage, factor }: { readonly stage?: string; readonly factor: string }): Promise<void> {
  let told = '';
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const { added_variance: added, without } = await study(stream, injection, home);
    told = `${JSON.stringify(added)}, without it ${without.variance_ms2} ms2`;
    console.log(injection, told);
    if (!(without.variance_ms2 <= MOST_NOISE * added.ms2)) continue;
    const ofOthers = factor === 'hardware' ? 0 : Math.max(0, added.by_factor['hardware']!);
    expect(added.by_factor[factor], told).toBeGreaterThanOrEqual(PROOF * (1 - ofOthers));
    if (stage !== undefined) expect(added.by_stage[stage], told).toBeGreaterThanOrEqual(PROOF * (1 - ofOthers));
    return;
  }
  context.skip(`this machine's own variance is not small against what was added: ${told}`);
}
