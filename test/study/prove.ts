import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { runCli } from '../fixtures/cli.js';
import { makeClip } from '../fixtures/index.js';

export interface AddedShares {
  readonly ms2: number;
  readonly by_stage: Readonly<Record<string, number>>;
  readonly by_factor: Readonly<Record<string, number>>;
  readonly by_cause: Readonly<Record<string, number>>;
}

/** A definition of a stream of 20 frames a second with the model of a folder. */
export async function streamOf(folder: string, model: string): Promise<string> {
  const clip = await makeClip({ width: 320, height: 240, fps: 20, frames: 200, source: 'color=c=0xb0b0b0' });
  const options = `{ model: ${JSON.stringify(model)}, maxDetections: 1000, confidenceThreshold: 0.3, cores: 1, mode: latency }`;
  const path = join(folder, 'stream.yaml');
  writeFileSync(path, `name: bench\nsource: { kind: file, path: ${JSON.stringify(clip)} }\nstages:\n  - { id: detect, kind: detector.yolo, options: ${options} }\n`);
  return path;
}

/** Runs the pipeline with and without a disturbance, as a user does, and gives where the added variance was found. */
export async function study(stream: string, injection: string, home: string, frames = 60): Promise<AddedShares> {
  const result = await runCli(['study', stream, '--inject', injection, '--blocks', '1', '--frames', String(frames), '--warmup', '5', '--json'], home);
  expect(result.stderr).not.toMatch(/error/);
  expect(result.status).toBe(0);
  return (JSON.parse(result.stdout) as { added_variance: AddedShares }).added_variance;
}
