import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { parse } from 'yaml';
import { emptyResults, isSameVariant, machineKey, mergeVariant, readResults, resultsPath, samplesOf, withoutRemoved, writeResults, type VariantResult } from '../../src/picker/bench-results.js';
import { candidatesOf, commonData } from '../../src/picker/candidates.js';
import { latencyRanks, renderBenchReport } from '../../src/picker/bench-report.js';
import { pick } from '../../src/picker/pick.js';
import { writeChoice } from '../../src/picker/write-choice.js';
import { REPOSITORY } from '../fixtures/repository.js';
import { tempFolder } from '../fixtures/temp-folder.js';

const folder = tempFolder();
const MACHINE = { cpu: 'Some(R) CPU @ 2.0 GHz', cores: 2, onnxruntime: '1.30.0' };

interface Given {
  readonly model: string;
  readonly ms: number;
  readonly map50: number | null;
  readonly threads?: number;
  readonly n?: number;
  readonly width?: number;
  readonly startedAt?: string;
  readonly sha256?: string;
  readonly isOwnSize?: boolean;
}

function variant({ model, ms, map50, threads = 1, n = 700, width = 320, startedAt = 'today', sha256 = model, isOwnSize = true }: Given): VariantResult {
  // One in fifty takes twice as long: p99 is twice the median.
  const samplesUs = Array.from({ length: n }, (_, i) => (i % 50 === 49 ? 2 : 1) * ms * 1000);
  const interval = map50 === null ? null : { low: map50 - 0.05, high: map50 + 0.05 };
  const accuracy = { data: 'some pictures', pictures: 64, map50, map5095: map50, map50Interval: interval, map5095Interval: interval };
  const cost = { macs: ms * 1e8, parameters: 1e6, fileBytes: 4e6, peakActivationBytes: ms * 1e6, sessionRssBytes: 4e7 };
  return { model, sha256, family: model, precision: 'fp32', width, height: 320, isOwnSize, ...cost, latencies: [{ threads, runs: [{ startedAt, samplesUs }] }], accuracies: [accuracy] };
}

const results = (...given: readonly Given[]) => given.map(variant).reduce(mergeVariant, emptyResults(MACHINE));
const THREE = results({ model: 'small', ms: 2, map50: 0.3 }, { model: 'slow', ms: 6, map50: 0.28 }, { model: 'middle', ms: 5, map50: 0.4 }, { model: 'large', ms: 12, map50: 0.5 }, { model: 'faces', ms: 1, map50: null });

describe('pick', () => {
  test.each([
    ['everything fits: the most accurate', { budgetMs: 100 }, 'large'],
    ['p99 judges, not the median: 24 ms do not fit 20', { budgetMs: 20 }, 'middle'],
    ['the median, where it is asked for, with a margin: 12 ms fit 80 % of 15', { budgetMs: 15, statistic: 'p50' as const }, 'large'],
    ['and do not fit 80 % of 14.9', { budgetMs: 14.9, statistic: 'p50' as const }, 'middle'],
    ['without a margin where none is wanted', { budgetMs: 12, statistic: 'p50' as const, margin: 0 }, 'large'],
    ['exactly the budget fits', { budgetMs: 10 }, 'middle'],
    ['little time: the one that is left, never one without accuracy', { budgetMs: 4 }, 'small'],
  ])('%s', (_, options, expected) => {
    expect(pick(candidatesOf(THREE), options).choice.variant.model).toBe(expected);
  });

  it('says what came next and why', () => {
    const { runnersUp, statistic, latencyMs, limitMs } = pick(candidatesOf(THREE), { budgetMs: 20 });
    expect({ statistic, latencyMs, limitMs }).toEqual({ statistic: 'p99', latencyMs: 10, limitMs: 20 });
    expect(runnersUp.map(({ candidate, why }) => `${candidate.variant.model}: ${why}`)).toEqual([
      'large: over the budget: p99 24.0 ms of 20.0 ms',
      'small: 10.0 points less accurate, 2.5 times as fast',
      'slow: 12.0 points less accurate and no faster',
    ]);
  });

  it('of equally accurate ones takes the fastest', () => {
    const twins = results({ model: 'b', ms: 6, map50: 0.4 }, { model: 'a', ms: 5, map50: 0.4 });
    expect(pick(candidatesOf(twins), { budgetMs: 100 }).choice.variant.model).toBe('a');
  });

  it('falls back to what every candidate has enough samples for', () => {
    const few = results({ model: 'a', ms: 5, map50: 0.4 }, { model: 'b', ms: 6, map50: 0.5, n: 200 });
    expect(pick(candidatesOf(few), { budgetMs: 100 }).statistic).toBe('p95');
    const fewer = results({ model: 'a', ms: 5, map50: 0.4 }, { model: 'b', ms: 6, map50: 0.5, n: 20 });
    expect(pick(candidatesOf(fewer), { budgetMs: 100 })).toMatchObject({ statistic: 'p50', margin: 0.2 });
  });

  it('looks at one number of threads where one is asked for', () => {
    const both = mergeVariant(THREE, { ...variant({ model: 'large', ms: 7, map50: 0.5, threads: 2 }), accuracies: [] });
    expect(pick(candidatesOf(both), { budgetMs: 15 }).choice).toMatchObject({ threads: 2, variant: { model: 'large' } });
    expect(pick(candidatesOf(both), { budgetMs: 15, threads: 1 }).choice).toMatchObject({ threads: 1, variant: { model: 'middle' } });
  });

  test.each([
    ['nothing is fast enough', { budgetMs: 1 }, /small at 320x320 is the fastest with a p99 of 4.0 ms, the limit is 1.0 ms/],
    ['nothing is good enough', { budgetMs: 100, minMap50: 0.6 }, /mAP50 of 60.0 %; the best here has 50.0 %/],
    ['the good ones are too slow', { budgetMs: 10, minMap50: 0.45 }, /large at 320x320 is the fastest with a p99 of 24.0 ms/],
    ['that number of threads was not measured', { budgetMs: 10, threads: 8 }, /with 8 threads/],
  ])('%s: says so', (_, options, message) => {
    expect(() => pick(candidatesOf(THREE), options)).toThrow(expect.objectContaining({ code: 'ERR_USAGE', message: expect.stringMatching(message) as string }));
  });
});

describe('candidatesOf', () => {
  it('marks the front, each number of threads for itself', () => {
    const both = mergeVariant(THREE, { ...variant({ model: 'slow', ms: 1, map50: 0.28, threads: 2 }), accuracies: [] });
    expect(candidatesOf(both).map(({ variant: { model }, threads, isOnFront }) => [model, threads, isOnFront])).toEqual([
      ['faces', 1, false],
      ['small', 1, true],
      ['middle', 1, true],
      ['slow', 1, false],
      ['large', 1, true],
      ['slow', 2, true],
    ]);
  });

  it('shows a resized model that was installed once', () => {
    const twice = results({ model: 'a', ms: 5, map50: 0.4, width: 256, sha256: 'same', isOwnSize: false }, { model: 'a-256x320', ms: 5, map50: 0.4, width: 256, sha256: 'same' });
    expect(candidatesOf(twice).map(({ variant: { model } }) => model)).toEqual(['a-256x320']);
  });

  it('compares on the data that most were scored on', () => {
    const other = { ...variant({ model: 'z', ms: 5, map50: 0.9 }), accuracies: [{ ...variant({ model: 'z', ms: 5, map50: 0.9 }).accuracies[0]!, data: 'other pictures' }] };
    const mixed = mergeVariant(THREE, other);
    expect(commonData(mixed)).toBe('some pictures');
    expect(candidatesOf(mixed).find(({ variant: { model } }) => model === 'z')!.accuracy).toBeUndefined();
  });
});

describe('measurements are kept', () => {
  it('and grow: of one network at one size samples are added, accuracies replaced', () => {
    const again = mergeVariant(THREE, variant({ model: 'small', ms: 3, map50: 0.31, n: 10, startedAt: 'tomorrow' }));
    const [small] = again.variants.filter(({ model }) => model === 'small');
    expect(again.variants).toHaveLength(5);
    expect(samplesOf(small!.latencies[0]!)).toHaveLength(710);
    expect(small!.accuracies.map(({ map50 }) => map50)).toEqual([0.31]);
  });

  it('a changed network of the same name takes the place of the old one', () => {
    const changed = mergeVariant(THREE, variant({ model: 'small', ms: 3, map50: 0.31, sha256: 'changed' }));
    expect(changed.variants.filter(({ model }) => model === 'small').map(({ sha256 }) => sha256)).toEqual(['changed']);
    expect(isSameVariant(changed.variants.at(-1)!, variant({ model: 'small', ms: 3, map50: 0 }))).toBe(false);
  });

  it('models that were removed go', () => {
    expect(withoutRemoved(THREE, [{ id: 'small', status: 'added' }, { id: 'large', status: 'download' }]).variants.map(({ model }) => model)).toEqual(['small']);
  });

  it('in a file for the processor, its cores and the runtime', async () => {
    const path = resultsPath(folder, MACHINE);
    expect(path).toMatch(/some-cpu-2\.0-ghz-2-cores-ort-1\.30\.0-[0-9a-f]{8}\.json$/);
    expect(machineKey({ ...MACHINE, cores: 4 })).not.toBe(machineKey(MACHINE));
    expect(machineKey({ ...MACHINE, node: 'v22' })).toBe(machineKey(MACHINE));
    expect(await readResults(path)).toBeUndefined();
    await writeResults(path, THREE);
    expect(await readResults(path)).toEqual(THREE);
    writeFileSync(path, '{"schemaVersion": 1, "vari');
    await expect(readResults(path)).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  });
});

describe('the report', () => {
  it('flags what is dominated, names what could not be measured, escapes names', () => {
    const page = renderBenchReport(results({ model: 'good', ms: 2, map50: 0.4 }, { model: 'bad<b>', ms: 3, map50: 0.3 }), { command: 'lynceus models bench', refusals: [{ model: 'stiff', size: { width: 64, height: 32 }, why: 'node x' }] });
    expect(page).toContain('on it');
    expect(page).toContain('dominated');
    expect(page).toContain('stiff');
    expect(page).toContain('64x32');
    expect(page).not.toContain('bad<b>');
  });

  it('can be drawn of nothing but latencies', () => {
    expect(renderBenchReport(results({ model: 'faces', ms: 2, map50: null }), { command: 'c' })).toContain('not scored');
  });

  it('says how well counting ranks latencies', () => {
    const [one] = latencyRanks(candidatesOf(THREE));
    expect(one).toMatchObject({ threads: 1, macs: { tau: 1, n: 5, interval: null }, parameters: { tau: null } });
  });
});

describe('writeChoice', () => {
  const CHOICE = { model: 'yolox-nano-320x320', threads: 2 };
  const DEFINITION = `# the front door
name: door
source:
  kind: rtsp
  url: \${CAMERA_URL} # with its password
stages:
  # finds people
  - id: detect
    kind: detector.yolo
    overflow: latest # never wait
    options:
      model: 'centernet-coco' # the best
      confidenceThreshold: 0.4

# the end
`;

  it('changes the model and the threads, and not a comment', () => {
    expect(writeChoice(DEFINITION, 'door.yaml', CHOICE)).toBe(DEFINITION.replace("'centernet-coco'", "'yolox-nano-320x320'").replace('confidenceThreshold: 0.4\n', 'confidenceThreshold: 0.4\n      mode: latency\n      cores: 2\n'));
  });

  it('writing it twice changes nothing more', () => {
    const once = writeChoice(DEFINITION, 'door.yaml', CHOICE);
    expect(writeChoice(once, 'door.yaml', CHOICE)).toBe(once);
  });

  test.each(['streams/camera.yaml', 'streams/demo.yaml'])('%s stays as it is but for that', (path) => {
    const text = readFileSync(join(REPOSITORY, path), 'utf8');
    const written = writeChoice(text, path, CHOICE);
    expect(written.match(/#.*/g)).toEqual(text.match(/#.*/g));
    const [before, after] = [parse(text) as Definition, parse(written) as Definition];
    expect(after.stages[0]!.options).toEqual({ ...before.stages[0]!.options, model: CHOICE.model, mode: 'latency', cores: 2 });
    expect({ ...after, stages: [] }).toEqual({ ...before, stages: [] });
  });

  it('makes options where there are none', () => {
    const bare = 'name: a\nsource: { kind: file, path: a.mp4 }\nstages:\n- id: detect\n  kind: detector.yolo\n';
    expect((parse(writeChoice(bare, 'a.yaml', CHOICE)) as Definition).stages[0]!.options).toEqual({ model: CHOICE.model, mode: 'latency', cores: 2 });
  });

  const TWO = `${DEFINITION.replace('# the end\n', '')}  - { id: faces, kind: detector.yolo }\n`;
  it('takes the stage that is named', () => {
    const { stages } = parse(writeChoice(TWO, 'two.yaml', CHOICE, 'faces')) as Definition;
    expect(stages.map(({ options }) => options?.['model'])).toEqual(['centernet-coco', CHOICE.model]);
  });

  test.each([
    ['several detectors and none named', TWO, undefined, 'ERR_CONFIG_INVALID'],
    ['a name that no detector has', TWO, 'nobody', 'ERR_CONFIG_INVALID'],
    ['no stream definition', 'name: a\n', undefined, 'ERR_CONFIG_INVALID'],
    ['no YAML', 'name: [', undefined, 'ERR_CONFIG_SYNTAX'],
  ])('%s', (_, text, stage, code) => {
    expect(() => writeChoice(text, 'x.yaml', CHOICE, stage)).toThrow(expect.objectContaining({ code }));
  });
});

interface Definition {
  readonly stages: readonly { readonly options?: Readonly<Record<string, unknown>> }[];
}
