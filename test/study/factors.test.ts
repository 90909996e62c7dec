import { describe, expect, test } from 'vitest';
import type { StreamDefinition } from '../../src/config/stream-definition.js';
import type { ModelManifest } from '../../src/core/manifest.js';
import { checkStages } from '../../src/cli/stages.js';
import { usualSetup } from '../../src/cli/study/setup.js';
import { type FactorChoice, parseFactorChoice, planSweeps, type SweepPlan } from '../../src/cli/study/sweeps.js';
import type { ListedModel } from '../../src/model-store/store.js';
import { configurationsOf } from '../../src/study/design.js';
import { levelLabels } from '../../src/study/level-labels.js';
import { tinyDetector } from '../fixtures/tiny-onnx.js';

const { manifest } = tinyDetector();

/** A model of the store, made of another by a step. */
function model(id: string, parent: string | null = null, step = 'import'): ListedModel {
  const own: ModelManifest = { ...manifest, id, lineage: { parent, origin: 'test', operations: [{ kind: step }] } };
  return { id, status: 'added', title: id, manifest: own };
}

const MODELS = [model('own'), model('pruned', 'own', 'prune-anchors'), model('small', 'own', 'quantize'), model('other-int8', 'other', 'quantize'), model('other'), { id: 'away', status: 'download', title: 'away' } as const];
const store = { list: () => Promise.resolve([...MODELS]) };
const stages = [{ id: 'detect', kind: 'detector.yolo', options: { model: 'own' } }];
const file: StreamDefinition = { name: 'file', source: { kind: 'file', path: '/video.mp4' }, stages };
const camera: StreamDefinition = { name: 'camera', source: { kind: 'rtsp', url: 'rtsp://127.0.0.1/live', transport: 'udp' }, stages };

async function planOf(definition: StreamDefinition, ...factors: string[]): Promise<SweepPlan> {
  return planSweeps(definition, { choices: factors.map(parseFactorChoice), patch: {}, store });
}

const levelsOf = ({ sweeps }: SweepPlan) => Object.fromEntries(sweeps.flatMap(({ factors }) => factors.map(({ name, levels }) => [name, levels])));

describe('what is asked for', () => {
  test.each<[string, FactorChoice]>([
    ['runtime', { perspective: 'runtime' }],
    ['runtime.spinning', { perspective: 'runtime', factor: 'spinning' }],
    ['end-to-end.subscribers', { perspective: 'end-to-end', factor: 'subscribers' }],
  ])('%s', (text, choice) => {
    expect(parseFactorChoice(text)).toEqual(choice);
  });

  test.each([
    ['', "found ''"],
    ['weather', "found 'weather'"],
    ['runtime.weather', "no factor 'weather'"],
    ['runtime.spinning.on', "found 'runtime.spinning.on'"],
  ])('%s is refused, and what there is is told', (text, message) => {
    expect(() => parseFactorChoice(text)).toThrow(expect.objectContaining({ code: 'ERR_USAGE', message: expect.stringContaining(message) as string }) as Error);
  });
});

describe('configurations', () => {
  const factors = [
    { name: 'a', levels: ['1', '2'] },
    { name: 'b', levels: ['1', '2'] },
    { name: 'c', levels: ['1', '2', '3'] },
  ];

  test.each([
    ['one at a time', [], 5],
    ['two of them crossed', [['a', 'b']], 6],
    ['all crossed', [['a', 'b', 'c']], 12],
    ['groups that overlap', [['a', 'b'], ['b', 'c']], 8],
  ])('%s: each once, the usual one first', (_, crossed, count) => {
    const all = configurationsOf({ perspective: 'data', factors, crossed });
    expect(all[0]).toEqual({ a: '1', b: '1', c: '1' });
    expect(all).toHaveLength(count);
    expect(new Set(all.map((one) => JSON.stringify(one))).size).toBe(count);
  });
});

describe('short names of configurations', () => {
  const factors = [
    { name: 'a', levels: ['1', '2'] },
    { name: 'b', levels: ['1', '2'] },
    { name: 'c', levels: ['1', '2', '3'] },
  ];

  test.each([
    ['one at a time', [], ['usual', 'a 2', 'b 2', 'c 2', 'c 3']],
    ['two of them crossed', [['a', 'b']], ['usual', 'a 2', 'b 2', 'a 2, b 2', 'c 2', 'c 3']],
  ])('%s', (_, crossed, labels) => {
    const all = configurationsOf({ perspective: 'data', factors, crossed });
    expect(all.map(levelLabels(all)).sort()).toEqual([...labels].sort());
  });

  test.each([[[]], [[['a', 'b']]], [[['a', 'b', 'c']]], [[['b', 'c']]]])('of every design (%j) are all different', (crossed) => {
    const all = configurationsOf({ perspective: 'data', factors, crossed });
    expect(new Set(all.map(levelLabels(all))).size).toBe(all.length);
  });
});

describe('what is planned', () => {
  test('models: others, and by what was done to the own one', async () => {
    const plan = await planOf(file, 'model');
    expect(levelsOf(plan)).toMatchObject({ model: ['own', 'other', 'other-int8'], precision: ['float32', 'int8 (small)'] });
    expect(levelsOf(plan)['anchors']![1]).toContain('(pruned)');
    expect(plan.notes).toEqual([expect.stringContaining('clean profile')]);
    const pruned = plan.setupOf(usualSetup(file), { perspective: 'model', levels: { model: 'own', anchors: levelsOf(plan)['anchors']![1]!, precision: 'float32' }, block: 0 });
    expect(pruned.definition.stages[0]!.options).toEqual({ model: 'pruned' });
  });

  test('a camera keeps its own transport as the usual one, and works with all cores on one frame', async () => {
    const plan = await planOf(camera, 'io', 'runtime.mode', 'data.size');
    expect(levelsOf(plan)).toEqual({ transport: ['udp', 'tcp'], mode: ['latency', 'throughput'] });
    expect(plan.notes).toEqual([expect.stringContaining('data.size'), 'data: nothing to vary with this input on this machine']);
  });

  test('factors that are named are crossed; a perspective is varied one factor at a time', async () => {
    const named = await planOf(file, 'runtime.spinning', 'runtime.arena', 'runtime.streams');
    expect(configurationsOf(named.sweeps[0]!)).toHaveLength(2 * 2 * 4);
    const all = await planOf(file, 'runtime');
    const levels = all.sweeps[0]!.factors.reduce((sum, factor) => sum + factor.levels.length - 1, 0);
    // The mode and spinning are crossed.
    expect(configurationsOf(all.sweeps[0]!)).toHaveLength(1 + levels + 1);
  });

  test('every configuration can be run, and the usual one is the stream as it is', async () => {
    const plan = await planOf(file, 'data.content', 'data.threshold', 'data.patch', 'model', 'runtime', 'hardware');
    const usual = usualSetup(file);
    let seen = 0;
    for (const sweep of plan.sweeps) {
      for (const [i, levels] of configurationsOf(sweep).entries()) {
        const setup = plan.setupOf(usual, { perspective: sweep.perspective, levels, block: 0 });
        expect(() => checkStages(setup.definition.stages), JSON.stringify(levels)).not.toThrow();
        if (i === 0) expect(setup).toEqual(usual);
        else expect(setup, JSON.stringify(levels)).not.toEqual(usual);
        seen += 1;
      }
    }
    expect(seen).toBeGreaterThan(25);
  });

  test('sessions are told in the stage, beside what it says already', async () => {
    const own: StreamDefinition = { ...file, stages: [{ id: 'detect', kind: 'detector.yolo', options: { model: 'own', session: { spinning: true, threads: 2 } } }] };
    const plan = await planOf(own, 'runtime');
    expect(levelsOf(plan)).toMatchObject({ spinning: ['on', 'off'], threads: ['usual', '1'], arena: ['on', 'off'], optimisation: ['all', 'extended', 'basic', 'none'] });
    const usual = configurationsOf(plan.sweeps[0]!)[0]!;
    const setup = plan.setupOf(usualSetup(own), { perspective: 'runtime', levels: { ...usual, arena: 'off' }, block: 0 });
    expect(setup.definition.stages[0]!.options).toEqual({ model: 'own', session: { spinning: true, threads: 2, memoryArena: false } });
  });

  test('a patch that is no picture is told before anything runs', async () => {
    await expect(planSweeps(file, { choices: [{ perspective: 'data' }], patch: { file: '/nowhere.png' }, store })).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
  });
});
