import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../src/core/seeded-random.js';
import { ByteTracker } from '../../src/tracking/byte-tracker.js';
import { OPTIONS, type SceneBox, seenBoxes, Story } from './scene.js';

describe('the life of a track', () => {
  test('tentative, confirmed, lost, confirmed again, removed', () => {
    const story = new Story();
    expect(story.see(0, { x: 100 })).toBe('1?');
    expect(story.see(0.1, { x: 102 })).toBe('1?');
    expect(story.see(0.2, { x: 104 })).toBe('1');
    expect(story.see(0.3)).toBe('');
    expect(story.see(0.9, { x: 118 })).toBe('1');
    expect(story.see(1)).toBe('');
    expect(story.see(2.1, { x: 140 })).toBe('2?');
    expect(story.tracker.confirmedSoFar).toBe(1);
  });

  test.each<[string, number[], string[]]>([
    ['at 30 frames a second', [0, 1 / 30, 2 / 30, 3 / 30, 4 / 30, 5 / 30, 6 / 30], ['1?', '1?', '1?', '1?', '1?', '1?', '1']],
    ['at 2 frames a second', [0, 0.5, 1], ['1?', '1', '1']],
    ['with a frame missing', [0, 0.2], ['1?', '1']],
  ])('is confirmed by time, not by frames: %s', (_, times, expected) => {
    const story = new Story();
    expect(times.map((time) => story.see(time, { x: 100 }))).toEqual(expected);
  });

  test('ends at once where it was tentative and is not seen for as long as it had to be seen', () => {
    const story = new Story();
    story.see(0, { x: 100 });
    expect(story.see(0.1)).toBe('');
    expect(story.see(0.19, { x: 100 })).toBe('1?');
    expect(story.see(0.4)).toBe('');
    expect(story.see(0.5, { x: 100 })).toBe('2?');
  });

  test('0 seconds confirm at once', () => {
    expect(new Story({ confirmSeconds: 0 }).see(0, { x: 100 })).toBe('1');
  });
});

describe('association', () => {
  test('a weak box continues a confirmed track, and begins none', () => {
    const story = new Story();
    for (const time of [0, 0.1, 0.2]) story.see(time, { x: 100 });
    expect(story.see(0.3, { x: 101, confidence: 0.15 }, { x: 400, confidence: 0.15 })).toBe('1 -');
    expect(story.see(0.4, { x: 102 })).toBe('1');
  });

  test('a weak box continues no tentative track, and none that it fits badly', () => {
    const story = new Story();
    story.see(0, { x: 100 });
    expect(story.see(0.1, { x: 100, confidence: 0.15 })).toBe('-');
    for (const time of [0.15, 0.2, 0.3]) story.see(time, { x: 100 });
    expect(story.see(0.4, { x: 120, confidence: 0.15 })).toBe('-');
    expect(story.see(0.5, { x: 102, confidence: 0.15 })).toBe('1');
  });

  test('between sure and weak: a box that is delivered, and begins no track', () => {
    const story = new Story();
    expect([0, 0.1, 0.2, 0.3].map((time) => story.see(time, { x: 100, confidence: 0.5 }))).toEqual(['-', '-', '-', '-']);
  });

  test('follows two that cross by their paths', () => {
    const story = new Story();
    const at = (time: number): [SceneBox, SceneBox] => [{ x: 100 + 80 * time }, { x: 260 - 80 * time, y: 215 }];
    for (let time = 0; time < 2; time = Math.round(10 * time + 1) / 10) story.see(time, ...at(time));
    expect(story.see(2, ...at(2))).toBe('1 2');
  });

  test('finds a fast object again after dropped frames, by its velocity', () => {
    const story = new Story();
    for (const time of [0, 0.1, 0.2, 0.3, 0.4]) story.see(time, { x: 100 + 200 * time });
    // 120 pixels further, three times its width.
    expect(story.see(1, { x: 300 })).toBe('1');
  });

  test('keeps classes apart, but for one that a box is called by mistake', () => {
    const story = new Story();
    const pair: SceneBox[] = [{ x: 100 }, { x: 104, classId: 1 }];
    expect([0, 0.1, 0.2].map((time) => story.see(time, ...pair))).toEqual(['1? 2?', '1? 2?', '1 2']);
    expect(story.see(0.3, { x: 104, classId: 1 }, { x: 100 })).toBe('2 1');
    const mistaken = new Story();
    for (const time of [0, 0.1, 0.2]) mistaken.see(time, { x: 100 });
    expect(mistaken.see(0.3, { x: 100, classId: 7 })).toBe('1');
    expect(mistaken.see(0.4, { x: 100 })).toBe('1');
    expect(mistaken.see(0.5, { x: 130, classId: 7 })).toBe('2?');
  });

  test('becomes what most of its boxes say', () => {
    const story = new Story();
    for (const time of [0, 0.1, 0.2]) story.see(time, { x: 100, classId: 2 });
    for (const time of [0.3, 0.4, 0.5, 0.6]) story.see(time, { x: 100, classId: 7 });
    // A truck by now: a box called so is its own also where it lies less well.
    expect(story.see(0.7, { x: 112, classId: 7 })).toBe('1');
  });
});

describe('looks', () => {
  const walk = (story: Story): void => {
    for (const time of [0, 0.1, 0.2, 0.3]) story.see(time, { x: 100, grey: 40 }, { x: 400, grey: 200 });
  };

  test('bring a lost track back when a new one is confirmed', () => {
    const story = new Story({}, true);
    walk(story);
    expect(story.see(0.5)).toBe('');
    expect([0.8, 0.9, 1].map((time) => story.see(time, { x: 160, grey: 45 }))).toEqual(['3?', '3?', '1']);
    expect(story.tracker.confirmedSoFar).toBe(2);
  });

  test.each<[string, SceneBox]>([
    ['who looks different', { x: 160, grey: 120 }],
    ['who is out of reach', { x: 250, grey: 40 }],
    ['who is of another class', { x: 160, grey: 40, classId: 1 }],
  ])('bring back nobody %s', (_, box) => {
    const story = new Story({}, true);
    walk(story);
    expect([0.8, 0.9, 1].map((time) => story.see(time, box))).toEqual(['3?', '3?', '3']);
  });

  test('decide between neighbours', () => {
    const story = new Story({}, true);
    for (const time of [0, 0.1, 0.2]) story.see(time, { x: 100, grey: 40 }, { x: 130, grey: 200 });
    // Both have moved by the same half width: by overlap alone, they would change places.
    expect(story.see(0.3, { x: 115, grey: 40 }, { x: 145, grey: 200 })).toBe('1 2');
  });

  test('are not asked for where nobody knows them', () => {
    const story = new Story();
    walk(story);
    expect([0.8, 0.9, 1].map((time) => story.see(time, { x: 160, grey: 40 }))).toEqual(['3?', '3?', '3']);
  });
});

describe('new beginnings', () => {
  test.each<[string, number]>([
    ['a jump back in time', -10],
    ['a gap longer than tracks are kept', 5],
  ])('%s forgets all tracks, and ids go on', (_, time) => {
    const story = new Story();
    for (const before of [0, 0.1, 0.2]) story.see(before, { x: 100 });
    expect(story.see(time, { x: 100 })).toBe('2?');
  });

  test('two frames of one time are two frames', () => {
    const story = new Story();
    expect([0, 0, 0.2].map((time) => story.see(time, { x: 100 }))).toEqual(['1?', '1?', '1']);
  });

  const crowd = (shift: number): SceneBox[] => [100, 250, 400, 550].map((x) => ({ x: x + shift }));

  test('a cut forgets all tracks: what is remembered would only take boxes by chance', () => {
    const story = new Story();
    for (const time of [0, 0.1, 0.2]) story.see(time, ...crowd(0));
    // One of the new scene happens to stand where one of the old one stood.
    expect(story.see(0.3, { x: 110 }, { x: 700, y: 500 }, { x: 320, y: 480 }, { x: 150, y: 470 })).toBe('5? 6? 7? 8?');
  });

  test('it is no cut where most go on, nor where all are hidden', () => {
    const story = new Story();
    for (const time of [0, 0.1, 0.2]) story.see(time, ...crowd(0));
    expect(story.see(0.3, ...crowd(4).slice(1), { x: 700 })).toBe('2 3 4 5?');
    expect(story.see(0.4, { x: 320, y: 300, width: 600, height: 300, classId: 5 })).toBe('6?');
    expect(story.see(0.5, ...crowd(6))).toBe('1 2 3 4');
  });
});

describe('a tracker', () => {
  test('knows what is sure for this model: lower scores begin tracks once the scale has sunk to them', () => {
    const begins = (frames: number): boolean => {
      const story = new Story();
      // Forty objects a frame of a model that is never surer than .45 + .1.
      for (let i = 0; i < frames; i += 1) story.see(i / 10, ...Array.from({ length: 10 }, (_, k) => ({ x: 60 * k, confidence: 0.45 + (k === 9 ? 0.1 : 0) })));
      return story.see(frames / 10, { x: 3000, confidence: 0.45 }) !== '-';
    };
    expect([begins(1), begins(60)]).toEqual([false, true]);
  });

  test('of its own gives the same answers to the same frames, and no id to two boxes', () => {
    const scene = fc.array(
      fc.record({
        stepUs: fc.integer({ min: -50_000, max: 400_000 }),
        boxes: fc.array(
          fc.record({ x: fc.integer({ min: 0, max: 400 }), y: fc.integer({ min: 0, max: 300 }), width: fc.integer({ min: 0, max: 100 }), height: fc.integer({ min: 0, max: 100 }), confidence: fc.double({ min: 0, max: 1, noNaN: true }), classId: fc.integer({ min: 0, max: 2 }), grey: fc.integer({ min: 0, max: 255 }) }),
          { maxLength: 8 },
        ),
      }),
      { maxLength: 25 },
    );
    fc.assert(
      fc.property(scene, fc.boolean(), (frames, knowsLooks) => {
        const run = (): string[] => {
          const tracker = new ByteTracker(OPTIONS);
          let ptsUs = 0;
          return frames.map(({ stepUs, boxes }) => {
            ptsUs += stepUs;
            const { ids, isConfirmed } = tracker.update(seenBoxes(boxes, knowsLooks), ptsUs);
            const given = [...ids].filter((id) => id > 0);
            expect(new Set(given).size).toBe(given.length);
            expect([...isConfirmed].every((flag, i) => flag === 0 || ids[i]! > 0)).toBe(true);
            expect([ids.length, isConfirmed.length]).toEqual([boxes.length, boxes.length]);
            return `${ids.join()} ${isConfirmed.join()}`;
          });
        };
        expect(run()).toEqual(run());
      }),
    );
  });

  test('keeps ten walkers apart over uneven times and dropped frames', () => {
    const random = new SeededRandom(1);
    const walkers = Array.from({ length: 10 }, (_, i) => ({ x: random.uniform(0, 1000), y: 120 * i, speed: random.uniform(-60, 60) }));
    const story = new Story();
    const idsOf = walkers.map(() => new Set<string>());
    let time = 0;
    for (let i = 0; i < 200; i += 1) {
      time += random.chance(0.33) ? 0.2 : 0.1;
      const seen = walkers.map(({ x, y, speed }) => ({ x: x + speed * time + random.normal(), y: y + random.normal(), confidence: random.uniform(0.2, 1) }));
      story
        .see(time, ...seen)
        .split(' ')
        .forEach((id, k) => id !== '-' && !id.endsWith('?') && idsOf[k]!.add(id));
    }
    expect(idsOf.map(({ size }) => size)).toEqual(walkers.map(() => 1));
    expect(new Set(idsOf.flatMap((ids) => [...ids])).size).toBe(walkers.length);
  });
});
