import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NO_DETECTIONS, type Detections } from '../../src/core/detections.js';
import { type Decision, type GateOptions, RedundancyGate } from '../../src/redundancy/redundancy-gate.js';
import type { Sight } from '../../src/redundancy/sight.js';
import { detectionsOf, sightOfScene, type Thing } from './scene.js';

const OPTIONS: GateOptions = { maxAgeMs: 1000, maxMovedMs: 300, maxLoss: 1, minChange: 3 };
const TILE = { width: 160, height: 128 };
const THING: Thing = { x: 100, y: 80, width: 40, height: 70, seed: 7 };
const moved = (dx: number): Thing => ({ ...THING, x: THING.x + dx });

/** Plays frames through a gate; the model finds what `finds` says. */
class Story {
  readonly gate: RedundancyGate;
  #ptsUs = 0;

  constructor(options: Partial<GateOptions> = {}) {
    this.gate = new RedundancyGate({ ...OPTIONS, ...options });
  }

  /** @returns what was decided, and the boxes. */
  see(scene: Parameters<typeof sightOfScene>[0], finds: Detections = NO_DETECTIONS, stepMs = 40): { readonly decision: Decision; readonly detections: Detections } {
    this.#ptsUs += stepMs * 1e3;
    return this.seeSight(sightOfScene(scene, this.#ptsUs), finds);
  }

  seeSight(sight: Sight, finds: Detections): { readonly decision: Decision; readonly detections: Detections } {
    const decision = this.gate.decide(sight);
    if (decision.action === 'tile') return { decision, detections: this.gate.seenTile(sight, decision.tile, finds) ?? finds };
    if (decision.action !== 'inferred') return { decision, detections: this.gate.skipped(sight, decision) };
    this.gate.beginWhole(sight);
    this.gate.seenWhole(sight, finds);
    return { decision, detections: finds };
  }

  words(scene: Parameters<typeof sightOfScene>[0], finds?: Detections, stepMs?: number): string {
    const { action, reason } = this.see(scene, finds, stepMs).decision;
    return `${action}:${reason}`;
  }
}

describe('a still picture', () => {
  test('is inferred once, and again when that is too long ago', () => {
    const story = new Story();
    const words = Array.from({ length: 12 }, (_, i) => story.words({ things: [THING], noise: 4, noiseSeed: i }, detectionsOf([THING]), 100));
    expect(words).toEqual(['inferred:first', ...new Array<string>(9).fill('reused:static'), 'inferred:age', 'reused:static']);
  });

  test.each([
    ['gets brighter', { offset: 18 }],
    ['gets darker with less contrast', { gain: 0.75 }],
    ['is noisy', { noise: 6, noiseSeed: 3 }],
  ])('%s: the boxes are kept', (_, light) => {
    const story = new Story();
    const boxes = detectionsOf([THING]);
    for (let i = 0; i < 4; i += 1) story.see({ things: [THING], noise: 'noise' in light ? light.noise : 0, noiseSeed: 10 + i }, boxes);
    const { decision, detections } = story.see({ things: [THING], ...light });
    expect(decision.action).toBe('reused');
    expect([...detections.xyxy]).toEqual([...boxes.xyxy]);
  });

  test('a clock that is set back is no age', () => {
    const story = new Story();
    story.see({}, NO_DETECTIONS, 5000);
    expect(story.seeSight(sightOfScene({}, 1000), NO_DETECTIONS).decision).toEqual({ action: 'inferred', reason: 'age' });
  });

  test('that becomes noisy all at once is inferred for a while, then kept', () => {
    const story = new Story({ maxAgeMs: 60_000 });
    for (let i = 0; i < 5; i += 1) story.see({ things: [THING], noise: 1, noiseSeed: i }, detectionsOf([THING]));
    const words = Array.from({ length: 25 }, (_, i) => story.words({ things: [THING], noise: 7, noiseSeed: 50 + i }, detectionsOf([THING])));
    expect(words[0]).toBe('inferred:changed');
    expect(words.slice(-5)).toEqual(new Array<string>(5).fill('reused:static'));
  });
});

describe('something new', () => {
  test.each([
    ['a person', { x: 200, y: 60, width: 40, height: 90, seed: 4 }],
    ['a far person', { x: 40, y: 100, width: 8, height: 20, seed: 4 }],
    ['something at the border', { x: 0, y: 150, width: 12, height: 40, seed: 5 }],
  ])('%s: is inferred in the frame that shows it first', (_, thing) => {
    const story = new Story();
    story.see({ noise: 3, noiseSeed: 1 });
    for (let i = 0; i < 5; i += 1) expect(story.words({ noise: 3, noiseSeed: 2 + i })).toBe('reused:static');
    expect(story.words({ things: [thing], noise: 3, noiseSeed: 20 })).toBe('inferred:changed');
  });

  test('that the model knows nothing of is not asked about in every frame', () => {
    const story = new Story({ maxMovedMs: 200 });
    const actions: string[] = [];
    story.see({});
    for (let i = 0; i < 12; i += 1) actions.push(story.see({ things: [moved(2 * i)] }).decision.action);
    expect(actions[0]).toBe('inferred');
    expect(actions.filter((action) => action === 'inferred').length).toBeLessThan(8);
    expect(actions).toContain('moved');
  });

  test('a picture that changes as a whole is inferred every time', () => {
    const story = new Story();
    story.see({ things: [THING] }, detectionsOf([THING]));
    for (let i = 1; i < 8; i += 1) expect(story.words({ things: [THING], pan: 12 * i }, detectionsOf([THING]))).toBe('inferred:changed');
  });
});

describe('a known object that moves', () => {
  test('takes its box along, and is inferred again in time', () => {
    const story = new Story({ maxMovedMs: 100 });
    story.see({ things: [THING] }, detectionsOf([THING]));
    const words: string[] = [];
    for (let i = 1; i <= 9; i += 1) {
      const { decision, detections } = story.see({ things: [moved(3 * i)] }, detectionsOf([moved(3 * i)]));
      words.push(`${decision.action}:${decision.reason}`);
      expect(Math.abs(detections.xyxy[0]! - (THING.x + 3 * i))).toBeLessThan(2);
    }
    expect(words).toEqual(['moved:motion', 'moved:motion', 'inferred:motion', 'moved:motion', 'moved:motion', 'inferred:motion', 'moved:motion', 'moved:motion', 'inferred:motion']);
  });

  test('is inferred every time where boxes are never moved', () => {
    const story = new Story({ maxMovedMs: 0 });
    story.see({ things: [THING] }, detectionsOf([THING]));
    for (let i = 1; i < 4; i += 1) expect(story.see({ things: [moved(4 * i)] }, detectionsOf([moved(4 * i)])).decision.action).toBe('inferred');
  });
});

describe('what the gate learns of its error', () => {
  const share = (story: Story, finds: (i: number) => Detections): number => {
    let movedFrames = 0;
    for (let i = 1; i <= 120; i += 1) {
      // To and fro, three pixels a frame.
      const dx = 3 * Math.abs(20 - (i % 40));
      if (story.see({ things: [moved(dx)] }, finds(dx)).decision.action === 'moved') movedFrames += 1;
    }
    return movedFrames / 120;
  };

  test('boxes that are where they were moved to are moved for most of the time; where the model finds them elsewhere, hardly ever', () => {
    const right = new Story({ maxLoss: 0.01 });
    right.see({ things: [moved(57)] }, detectionsOf([moved(57)]));
    const rightShare = share(right, (dx) => detectionsOf([moved(dx)]));
    // Turns up elsewhere, and is never where it was expected.
    const wrong = new Story({ maxLoss: 0.01 });
    wrong.see({ things: [moved(57)] }, detectionsOf([moved(57)]));
    let asked = 0;
    const wrongShare = share(wrong, (dx) => {
      asked += 1;
      return detectionsOf([asked % 2 === 0 ? moved(dx) : { ...moved(dx), y: THING.y - 45, height: 60 }]);
    });
    expect(rightShare).toBeGreaterThan(0.45);
    expect(wrongShare).toBeLessThan(0.2);
    expect(wrong.gate.learnt.lossRatePerS).toBeGreaterThan(5 * right.gate.learnt.lossRatePerS);
  });

  test('with no loss allowed what moves is inferred in every frame', () => {
    const story = new Story({ maxLoss: 0 });
    story.see({ things: [moved(57)] }, detectionsOf([moved(57)]));
    expect(share(story, (dx) => detectionsOf([moved(dx)]))).toBe(0);
  });
});

describe('a scene that changes as a whole for long', () => {
  /** Pans for so many frames, then stands still. @returns what was looked at, and the decisions. */
  function pan(frames: number, still: number): { readonly looks: readonly boolean[]; readonly words: readonly string[] } {
    const gate = new RedundancyGate(OPTIONS);
    const looks: boolean[] = [];
    const words: string[] = [];
    for (let i = 0; i < frames + still; i += 1) {
      const ptsUs = 40e3 * i;
      const isSeen = gate.looksAt(ptsUs);
      looks.push(isSeen);
      if (!isSeen) {
        gate.beginUnseen(ptsUs);
        gate.seenWhole(undefined, NO_DETECTIONS);
        continue;
      }
      const sight = sightOfScene({ pan: 12 * Math.min(i, frames) }, ptsUs);
      const decision = gate.decide(sight);
      words.push(`${decision.action}:${decision.reason}`);
      if (decision.action === 'inferred') {
        gate.beginWhole(sight);
        gate.seenWhole(sight, NO_DETECTIONS);
      } else gate.skipped(sight, decision);
    }
    return { looks, words };
  }

  test('is looked at ever less often, and every frame that is not skipped is inferred', () => {
    const { looks, words } = pan(80, 0);
    expect(looks.slice(0, 9).every(Boolean)).toBe(true);
    expect(looks.filter(Boolean).length).toBeLessThan(25);
    expect(new Set(words.slice(1))).toEqual(new Set(['inferred:changed']));
  });

  test('is noticed to be still again within half a second', () => {
    const { words, looks } = pan(60, 20);
    expect(words.at(-1)).toBe('reused:static');
    const firstReused = looks.length - [...words].reverse().findIndex((word) => word !== 'reused:static');
    expect(40 * (firstReused - 60)).toBeLessThanOrEqual(500 + 3 * 40);
  });
});

describe('a tile', () => {
  const other: Thing = { x: 260, y: 170, width: 30, height: 50, seed: 21 };
  const fresh: Thing = { x: 30, y: 40, width: 30, height: 50, seed: 22 };

  test('is asked for where what changed fits in, and keeps what is known elsewhere', () => {
    const story = new Story({ tile: TILE });
    story.see({ things: [other] }, detectionsOf([other]));
    const { decision, detections } = story.see({ things: [other, fresh] }, detectionsOf([fresh]));
    expect(decision).toMatchObject({ action: 'tile', reason: 'changed' });
    expect(detections.count).toBe(2);
    expect(story.words({ things: [other, fresh] })).toBe('reused:static');
  });

  test('does not make the picture younger', () => {
    const story = new Story({ tile: TILE });
    story.see({ things: [other] }, detectionsOf([other]));
    story.see({ things: [other, fresh] }, detectionsOf([fresh]), 900);
    expect(story.words({ things: [other, fresh] }, detectionsOf([other, fresh]), 100)).toBe('inferred:age');
  });

  test('is not asked for where changes are too far from each other', () => {
    const story = new Story({ tile: TILE });
    story.see({});
    expect(story.words({ things: [other, fresh] })).toBe('inferred:changed');
  });
});

test('after a failed inference nothing is known', () => {
  const story = new Story();
  story.see({});
  story.gate.failed();
  expect(story.words({})).toBe('inferred:first');
});

test('no frame is further from an inference than allowed, whatever is seen', () => {
  const frame = fc.record({ stepMs: fc.integer({ min: 1, max: 400 }), dx: fc.integer({ min: -30, max: 30 }), isThere: fc.boolean(), pan: fc.integer({ min: 0, max: 3 }) });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 12 }), fc.boolean(), (frames, hasTiles) => {
      const story = new Story({ maxAgeMs: 500, ...(hasTiles ? { tile: TILE } : {}) });
      let ageMs = 0;
      for (const { stepMs, dx, isThere, pan } of frames) {
        const things = isThere ? [moved(dx)] : [];
        const { decision, detections } = story.see({ things, pan }, detectionsOf(things), stepMs);
        ageMs = decision.action === 'inferred' ? 0 : ageMs + stepMs;
        expect(ageMs).toBeLessThan(500);
        expect(detections.xyxy.length).toBeGreaterThanOrEqual(4 * detections.count);
      }
    }),
    { numRuns: 25 },
  );
});
