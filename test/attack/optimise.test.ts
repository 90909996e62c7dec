import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ModelQueries, startQueries } from '../../src/attack/model-queries.js';
import { loadCheckpoint, saveCheckpoint } from '../../src/attack/optimise/checkpoint.js';
import { DEFAULT_JITTER, DetectorObjective, type DetectorObjectiveOptions, evidenceAt, judgePatch, scoreAt } from '../../src/attack/optimise/detector-objective.js';
import { coloursOf, gridPatch, renderPatch, totalVariation } from '../../src/attack/optimise/grid-patch.js';
import type { PatchObjective } from '../../src/attack/optimise/objective.js';
import { type OptimisedPatch, optimisePatch, SEARCH_METHODS, type SearchMethodName } from '../../src/attack/optimise/optimise-patch.js';
import { controlPatch } from '../../src/attack/patch-image.js';
import type { Detections } from '../../src/core/detections.js';
import { rejectionOf } from '../fixtures/failure.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { tinyDetector, writeModel } from '../fixtures/tiny-onnx.js';

const root = tempFolder();
const METHODS = Object.keys(SEARCH_METHODS) as SearchMethodName[];

/** Distance from a colour that the circumstances move a little; counts what it is asked. */
function distanceFrom(target: number): PatchObjective & { asked: number } {
  return {
    asked: 0,
    queriesPerLoss: 3,
    losses(candidates, draw) {
      this.asked += 3 * candidates.length;
      const goal = target + 0.02 * Math.sin(draw);
      return Promise.resolve(candidates.map((colours) => colours.reduce((sum, value) => sum + Math.abs(value - goal), 0) / colours.length));
    },
  };
}

describe.each(METHODS)('%s', (method) => {
  test('gets closer to what the objective wants, within its budget', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(1000), fc.constantFrom(0, 1), async (seed, target) => {
        const objective = distanceFrom(target);
        const found = await optimisePatch({ method, objective, grid: 4, seed, budget: 3000, begin: new Float32Array(48).fill(0.5) });
        expect((await objective.losses([found.colours], 0))[0]).toBeLessThan(0.25);
        expect(found.queries).toBe(objective.asked - 3);
        expect(found.queries).toBeLessThanOrEqual(3000);
        expect(found.colours.every((value) => value >= 0 && value <= 1)).toBe(true);
        expect(found.curve.at(-1)!.loss).toBeLessThan(found.curve[0]!.loss);
      }),
      { numRuns: 10 },
    );
  });

  test('ends the same, interrupted or not, also through a file', async () => {
    const settings = { method, grid: 4, seed: 5, budget: 2000 } as const;
    const whole = await optimisePatch({ ...settings, objective: distanceFrom(1) });
    const path = join(root, `${method}.json`);
    const saved: OptimisedPatch[] = [];
    await rejectionOfAny(
      optimisePatch({
        ...settings,
        objective: distanceFrom(1),
        onProgress: async (state) => {
          saved.push(state);
          await saveCheckpoint(path, { seed: 5 }, state);
          if (saved.length === 20) throw new Error('the power fails');
        },
      }),
    );
    const resume = await loadCheckpoint(path, { seed: 5 });
    expect(resume).toEqual(saved.at(-1));
    const resumed = await optimisePatch({ ...settings, objective: distanceFrom(1), resume });
    expect(resumed.colours).toEqual(whole.colours);
    expect(resumed.curve).toEqual(whole.curve);
  });

  test('another seed finds another patch', async () => {
    const run = (seed: number) => optimisePatch({ method, objective: distanceFrom(0.5), grid: 4, seed, budget: 1000 });
    expect((await run(1)).colours).toEqual((await run(1)).colours);
    expect((await run(1)).colours).not.toEqual((await run(2)).colours);
  });

  test('says what it costs where the budget is too small', async () => {
    const error = await rejectionOf(optimisePatch({ method, objective: distanceFrom(1), grid: 4, seed: 1, budget: 10 }));
    expect(error.code).toBe('ERR_USAGE');
  });
});

async function rejectionOfAny(promise: Promise<unknown>): Promise<void> {
  await expect(promise).rejects.toThrow('the power fails');
}

describe('saved searches', () => {
  const state: OptimisedPatch = { step: 1, queries: 2, loss: Number.POSITIVE_INFINITY, curve: [], colours: Float32Array.of(0.25, 1), momentum: Float32Array.of(-1e-7, 0) };

  test('none is none', async () => expect(await loadCheckpoint(join(root, 'none.json'), {})).toBeUndefined());

  test('one of other settings is refused, and says which', async () => {
    const path = join(root, 'other.json');
    await saveCheckpoint(path, { model: 'a', grid: 4, undefinedOne: undefined }, state);
    expect(await loadCheckpoint(path, { model: 'a', grid: 4 })).toEqual(state);
    const error = await rejectionOf(loadCheckpoint(path, { model: 'b', grid: 4 }));
    expect(error.code).toBe('ERR_USAGE');
    expect(error.message).toContain('model');
    expect(error.message).not.toContain('grid');
  });

  test.each([['{'], ['{}'], ['[]']])('%s is no saved search', async (text) => {
    const path = join(root, 'broken.json');
    await writeFile(path, text);
    expect((await rejectionOf(loadCheckpoint(path, {}))).code).toBe('ERR_CONFIG_INVALID');
  });

  test('a folder that is missing cannot hold one', async () => {
    expect((await rejectionOf(saveCheckpoint(join(root, 'missing', 'a.json'), {}, state))).code).toBe('ERR_OUTPUT_WRITE');
    expect(await readFile(join(root, 'missing', 'a.json')).catch(() => 'none')).toBe('none');
  });
});

describe('patches of cells', () => {
  test('come back from what is rendered of them, but for rounding and what lies between', () => {
    const colours = Float32Array.from({ length: 48 }, (_, i) => 0.5 + 0.3 * Math.sin(i));
    const back = coloursOf(renderPatch(gridPatch(colours, 4)), 4);
    back.forEach((value, i) => expect(Math.abs(value - colours[i]!)).toBeLessThan(0.2));
    expect(coloursOf(gridPatch(colours, 4), 4).map((value) => Math.round(255 * value))).toEqual(colours.map((value) => Math.round(255 * value)));
  });

  test.each([
    ['one colour', [1, 1, 1, 1], 0],
    ['a chessboard', [0, 1, 1, 0], 1],
    ['two halves', [0, 1, 0, 1], 0.5],
  ])('roughness of %s', (_, cells, expected) => {
    expect(totalVariation(Float32Array.from(cells.flatMap((value) => [value, value, value])), 2)).toBeCloseTo(expected, 9);
  });
});

const FIT = { scaleX: 1, scaleY: 1, padX: 0, padY: 0 };
const PLACED = { centreX: 16, centreY: 16, sidePx: 8, rotationDeg: 0, brightness: 1 };

describe('what an attack is judged by', () => {
  const detections: Detections = {
    count: 3,
    xyxy: Float32Array.of(8, 8, 24, 24, 10, 8, 24, 24, 40, 40, 60, 60),
    confidence: Float32Array.of(0.4, 0.9, 0.8),
    classId: Int32Array.of(0, 1, 0),
    boxesBeforeNms: 3,
  };
  const hide = { goal: 'hide', classIds: new Set([0]) } as const;

  test.each([
    ['who carries the patch, of the class', { placed: PLACED, carrier: [8, 8, 16, 16] as const }, hide, 0.4],
    ['of any of the classes', { placed: PLACED, carrier: [8, 8, 16, 16] as const }, { ...hide, classIds: new Set([0, 1]) }, 0.9],
    ['nobody is there', { placed: PLACED, carrier: [30, 8, 8, 8] as const }, hide, 0],
    ['what appears at the patch', { placed: PLACED, carrier: undefined }, { ...hide, goal: 'appear' as const }, 0.4],
    ['what appears elsewhere', { placed: { ...PLACED, centreX: 90 }, carrier: undefined }, { ...hide, goal: 'appear' as const }, 0],
  ])('%s', (_, patch, options, expected) => {
    expect(scoreAt(patch, detections, options)).toBeCloseTo(expected, 6);
  });

  test('evidence counts where a candidate holds a good part of the patch', () => {
    const candidate = (left: number, top: number, right: number, bottom: number, evidence: number) => ({ region: { left, top, right, bottom }, evidence });
    expect(evidenceAt(PLACED, [], FIT)).toBe(0);
    expect(evidenceAt(PLACED, [candidate(12, 12, 20, 20, 5)], FIT)).toBeCloseTo(0.5, 9);
    expect(evidenceAt(PLACED, [candidate(12, 12, 14, 20, 5)], FIT)).toBe(0);
    expect(evidenceAt(PLACED, [candidate(12, 12, 20, 20, 5), candidate(10, 10, 30, 30, 15)], FIT)).toBeCloseTo(0.75, 9);
    // In pixels of the input: the same place of a picture of twice the size.
    expect(evidenceAt({ ...PLACED, centreX: 32, centreY: 32, sidePx: 16 }, [candidate(12, 12, 20, 20, 5)], { ...FIT, scaleX: 0.5, scaleY: 0.5 })).toBeCloseTo(0.5, 9);
  });
});

describe('against a model', () => {
  /** The model finds a cat in the middle, as certain as the picture is green. */
  async function withTinyModel(work: (options: DetectorObjectiveOptions) => Promise<void>): Promise<void> {
    const { manifest, prepared } = tinyDetector();
    const queries: ModelQueries = await startQueries({ manifest, modelPath: writeModel(root, 'tiny.onnx', prepared), cores: 2 });
    const patch = { imageId: 1, objectId: 1, xyxy: [4, 4, 28, 28] as const, polygon: [], placed: { ...PLACED, sidePx: 24 }, carrier: [8, 8, 16, 16] as const };
    const picture = { imageId: 1, pixels: new Uint8Array(3 * 1024).fill(200), fit: FIT, sourceSize: { width: 32, height: 32 } };
    try {
      await work({
        queries,
        inputSize: { width: 32, height: 32 },
        scenes: [{ picture, patches: [patch] }],
        goal: 'hide',
        classIds: new Set([0]),
        grid: 3,
        greyscale: false,
        seed: 1,
        scenesPerLoss: 4,
        jitter: DEFAULT_JITTER,
        smoothness: 0,
        evidenceWeight: 0,
      });
    } finally {
      await queries.close();
    }
  }

  test.each(METHODS)('%s finds by questions alone that green has to go', async (method) => {
    await withTinyModel(async (options) => {
      const found = await optimisePatch({ method, objective: new DetectorObjective(options), grid: 3, seed: 1, budget: 600 });
      const grey = await judgePatch(options, options.scenes, controlPatch('grey', 1));
      const { score } = await judgePatch(options, options.scenes, gridPatch(found.colours, 3));
      // All green: .78; 24 x 24 of 32 x 32 pixels in grey: .625; without any green: .34.
      expect(grey.score).toBeCloseTo(0.625, 2);
      expect(score).toBeLessThan(0.45);
    });
  }, 30_000);

  test('equal circumstances are equal, and the picture stays as it is', async () => {
    await withTinyModel(async (options) => {
      const objective = new DetectorObjective(options);
      const colours = new Float32Array(27).fill(0.2);
      const [first, again] = await objective.losses([colours, colours], 3);
      expect(again).toBe(first);
      expect((await objective.losses([colours], 3))[0]).toBe(first);
      expect((await objective.losses([colours], 4))[0]).not.toBe(first);
      expect(options.scenes[0]!.picture.pixels.every((value) => value === 200)).toBe(true);
      expect(objective.queriesPerLoss).toBe(1);
    });
  }, 30_000);
});
