import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { allowedProcessors, parseProcessors } from '../../src/study/allowed-processors.js';
import { ownCpuGroup, QuotaGroup, throttledMs } from '../../src/study/control-group.js';
import { readCpuFrequency, setCpuFrequency } from '../../src/study/cpu-frequency.js';
import { tempFolder } from '../fixtures/temp-folder.js';

const folder = tempFolder();

function write(path: string, text: string): string {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
  return path;
}

describe('processors that a process may use', () => {
  test.each([
    ['0', [0]],
    ['0-3', [0, 1, 2, 3]],
    ['1,4-5,7', [1, 4, 5, 7]],
  ])('%s', (list, numbers) => {
    expect(parseProcessors(list)).toEqual(numbers);
  });

  test('are told by the system, or not at all', () => {
    expect(allowedProcessors(write(join(folder, 'status'), 'Name:\tnode\nCpus_allowed_list:\t0,2\n'))).toEqual([0, 2]);
    expect(allowedProcessors(join(folder, 'nothing'))).toBeUndefined();
  });
});

/** Two processors as sysfs shows them. */
function processors(name: string): string {
  const root = join(folder, name);
  for (const cpu of ['cpu0', 'cpu1']) {
    const values = { scaling_governor: 'schedutil', scaling_available_governors: 'performance powersave schedutil', scaling_cur_freq: '1800000', scaling_max_freq: '3600000', cpuinfo_min_freq: '800000', cpuinfo_max_freq: '3600000' };
    for (const [file, value] of Object.entries(values)) write(join(root, cpu, 'cpufreq', file), `${value}\n`);
  }
  return root;
}

describe('cpufreq', () => {
  test('is read', () => {
    expect(readCpuFrequency(processors('read'))).toEqual({ governor: 'schedutil', governors: ['performance', 'powersave', 'schedutil'], currentKhz: 1_800_000, minKhz: 800_000, maxKhz: 3_600_000, isWritable: true });
  });

  test('is not there in most virtual machines', () => {
    expect(readCpuFrequency(join(folder, 'nothing'))).toBeUndefined();
    mkdirSync(join(folder, 'bare', 'cpu0'), { recursive: true });
    expect(readCpuFrequency(join(folder, 'bare'))).toBeUndefined();
  });

  test('is set on all processors, and put back', () => {
    const root = processors('set');
    const seen = () => ['cpu0', 'cpu1'].map((cpu) => [readFileSync(join(root, cpu, 'cpufreq/scaling_governor'), 'utf8').trim(), readFileSync(join(root, cpu, 'cpufreq/scaling_max_freq'), 'utf8').trim()]);
    const before = seen();
    const restore = setCpuFrequency({ governor: 'powersave', maxKhz: 800_000 }, root);
    expect(seen()).toEqual([['powersave', '800000'], ['powersave', '800000']]);
    restore();
    restore();
    expect(seen()).toEqual(before);
  });
});

describe('control groups', () => {
  test.each([
    ['version 2', '0::/service\n', 'service/cpu.stat', 'nr_throttled 3\nthrottled_usec 2500\n', 2, 2.5],
    ['version 1', '4:memory:/x\n3:cpu,cpuacct:/service\n0::/\n', 'cpu/service/cpu.stat', 'nr_throttled 3\nthrottled_time 2500000\n', 1, 2.5],
    ['in a container that calls its group by another name', '0::/docker/abc\n', 'cpu.stat', 'throttled_usec 0\n', 2, 0],
  ] as const)('of %s', (name, own, path, stat, version, ms) => {
    const root = join(folder, name);
    write(join(root, path), stat);
    const group = ownCpuGroup({ root, own: write(join(root, 'own'), own) });
    expect(group?.version).toBe(version);
    expect(throttledMs(group)).toBe(ms);
  });

  test('there may be none', () => {
    const paths = { root: join(folder, 'none'), own: join(folder, 'none', 'own') };
    expect(ownCpuGroup(paths)).toBeUndefined();
    expect(throttledMs(undefined)).toBeUndefined();
    expect(() => QuotaGroup.create('test', paths)).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }) as Error);
  });

  test('a group without a quota is refused and leaves nothing behind', () => {
    const root = join(folder, 'no-quota');
    write(join(root, 'cpu.stat'), '');
    const paths = { root, own: write(join(root, 'own'), '0::/\n') };
    expect(() => QuotaGroup.create('test', paths)).toThrow('hands no CPU quotas down');
    expect(() => readFileSync(join(root, 'test'))).toThrow(/ENOENT/);
  });
});
