import { writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
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
export async function study(stream: string, injection: string, home: string, frames = 60): Promise<InjectionStudy> {
  const result = await runCli(['study', stream, '--inject', injection, '--blocks', '1', '--frames', String(frames), '--warmup', '20', '--json'], home);
  expect(result.stderr).not.toMatch(/error/);
  expect(result.status).toBe(0);
  return JSON.parse(result.stdout) as InjectionStudy;
}

/** More variance than this share of what was added, and the machine's own disturbances are as big as ours. */
const MOST_NOISE = 0.05;
const PROOF = 0.9;

/**
 * Asserts that the largest share of what was added was found where it was put, and 90 % of it where the machine itself was calm meanwhile: what others
 * do to it is variance too, and is not where ours was put.
 */
export function expectFound(context: TestContext, { added_variance: added, without }: InjectionStudy, { stage, factor }: { readonly stage?: string; readonly factor: string }): void {
  const noise = `${(100 * without.variance_ms2) / added.ms2} % noise, load ${loadavg()[0]!.toFixed(1)}: ${JSON.stringify(added)}`;
  const isCalm = without.variance_ms2 <= MOST_NOISE * added.ms2 && loadavg()[0]! <= availableParallelism();
  const share = isCalm ? PROOF : 0.5;
  expect(added.by_factor[factor], noise).toBeGreaterThanOrEqual(share);
  if (stage !== undefined) expect(added.by_stage[stage], noise).toBeGreaterThanOrEqual(share);
  if (!isCalm) context.skip(`found where it was put, but the machine is too busy to ask for 90 % of it (${noise})`);
}
