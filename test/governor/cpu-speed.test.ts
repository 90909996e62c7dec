import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createCpuSpeedReader, SpeedChanges } from '../../src/governor/cpu-speed.js';
import { tempFolder } from '../fixtures/temp-folder.js';

test('the frequency is the mean of all cores, read anew each time', async () => {
  const root = tempFolder();
  const files = ['cpu0', 'cpu1'].map((core) => join(root, core, 'cpufreq', 'scaling_cur_freq'));
  for (const file of files) {
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, '3000000\n');
  }
  mkdirSync(join(root, 'cpuidle'));
  const read = await createCpuSpeedReader(root);
  expect(await read()).toBe(3_000_000);
  writeFileSync(files[0]!, '1000000\n');
  expect(await read()).toBe(2_000_000);
});

test('without frequencies a probe says how fast a fixed piece of work is', async () => {
  const read = await createCpuSpeedReader(join(tempFolder(), 'nothing'));
  expect(await read()).toBeGreaterThan(0);
});

test.each<[string, number[], (number | undefined)[]]>([
  ['the first reading is told', [100], [100]],
  ['small differences are not', [100, 110, 95], [100, undefined, undefined]],
  ['one reading alone is not believed', [100, 50, 100], [100, undefined, undefined]],
  ['two that agree are', [100, 50, 52], [100, undefined, 52]],
  ['nor two that differ', [100, 50, 70], [100, undefined, undefined]],
  ['and back', [100, 50, 50, 100, 100], [100, undefined, 50, undefined, 100]],
])('%s', (_, readings, expected) => {
  const changes = new SpeedChanges();
  expect(readings.map((speed) => changes.add(speed))).toEqual(expected);
});
