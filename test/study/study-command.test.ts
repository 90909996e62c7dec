import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli, tinyModelFolder } from '../fixtures/cli.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { type InjectionStudy, streamOf } from './prove.js';

const folder = tempFolder();

test('a disturbance adds variance, whose shares sum to one, and all of it comes again from what was recorded', async () => {
  const stream = await streamOf(folder, tinyModelFolder(folder));
  const out = join(folder, 'report');
  const { status, stdout } = await runCli(['study', stream, '--inject', 'decode:gauss:12ms', '--blocks', '1', '--frames', '40', '--warmup', '10', '--out', out, '--json'], folder);
  expect(status).toBe(0);
  const { added_variance: added } = JSON.parse(stdout) as InjectionStudy;
  // Twelve milliseconds of standard deviation, whatever else the machine had to do.
  expect(added.ms2).toBeGreaterThan(0);
  for (const shares of [added.by_stage, added.by_factor, added.by_cause]) {
    expect(Object.values(shares).reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 2);
  }
  expect(Object.keys(added.by_stage)).toEqual(expect.arrayContaining(['source', 'detect', 'deliver']));
  expect(readdirSync(out)).toEqual(expect.arrayContaining(['report.html', 'spans.ndjson']));
  expect(readFileSync(join(out, 'report.html'), 'utf8')).not.toMatch(/https?:\/\/(?!www\.w3\.org|ui\.perfetto)/);

  const again = await runCli(['study', '--from', join(out, 'spans.ndjson'), '--json'], folder);
  expect(again.status).toBe(0);
  expect((JSON.parse(again.stdout) as InjectionStudy).added_variance).toEqual(added);
}, 60_000);
