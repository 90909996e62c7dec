import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatMotRows, type MotRow, parseMotRows } from '../../../src/evaluation/tracking/mot-format.js';
import { scoredSequence } from '../../../src/evaluation/tracking/mot-sequence.js';
import { scoreTracks, type TrackScore } from '../../../src/evaluation/tracking/score-tracks.js';

type Spot = readonly [frame: number, id: number, left: number, top?: number];

/** Boxes of 10 x 10. */
function rows(spots: readonly Spot[], about: Partial<MotRow> = {}): MotRow[] {
  return spots.map(([frame, id, left, top = 0]) => ({ frame, id, xywh: [left, top, 10, 10], flag: 1, classId: undefined, ...about }));
}

function score(truth: readonly MotRow[], results: readonly MotRow[], frames = [1, 2, 3, 4]): TrackScore {
  return scoreTracks(scoredSequence(truth, results, frames));
}

/** One object that stands for four frames. */
const STANDING: Spot[] = [[1, 7, 0], [2, 7, 0], [3, 7, 0], [4, 7, 0]];

describe('scores computed by hand', () => {
  test('found and kept throughout', () => {
    expect(score(rows(STANDING), rows(STANDING))).toMatchObject({ mota: 1, motp: 1, idf1: 1, hota: 1, detA: 1, assA: 1, locA: 1, falsePositives: 0, falseNegatives: 0, idSwitches: 0, fragmentations: 0, mostlyTracked: 1, mostlyLost: 0, objects: 1, tracks: 1 });
  });

  test('two tracks for one object: half of it is the best that one of them has', () => {
    const results = rows([[1, 1, 0], [2, 1, 0], [3, 2, 0], [4, 2, 0]]);
    const found = score(rows(STANDING), results);
    // MOTA: 1 - 1 switch / 4. IDF1: 2 * 2 / (4 + 4). AssA: each match 2 / (4 + 2 - 2).
    expect(found).toMatchObject({ mota: 0.75, idf1: 0.5, detA: 1, assA: 0.5, idSwitches: 1, fragmentations: 0, truePositives: 4 });
    expect(found.hota).toBeCloseTo(Math.sqrt(0.5), 12);
    expect(found.switches).toEqual([{ frame: 3, truth: 0, before: 0, after: 1 }]);
  });

  test('not found in one frame: a fragmentation and no switch', () => {
    const found = score(rows(STANDING), rows([[1, 1, 0], [2, 1, 0], [4, 1, 0], [3, 1, 500]]));
    expect(found).toMatchObject({ mota: 0.5, falsePositives: 1, falseNegatives: 1, idSwitches: 0, fragmentations: 1, idf1: 0.75, mostlyTracked: 0, partlyTracked: 1 });
    // TP 3 of 4 + 4 - 3; the track has four boxes: 3 / (4 + 4 - 3).
    expect([found.detA, found.assA, found.hota].map((value) => Number(value.toFixed(12)))).toEqual([0.6, 0.6, 0.6]);
  });

  test('a frame without any result ends nothing, as in TrackEval', () => {
    expect(score(rows(STANDING), rows([[1, 1, 0], [2, 1, 0], [4, 1, 0]]))).toMatchObject({ mota: 0.75, falseNegatives: 1, fragmentations: 0 });
  });

  test('boxes that lie by 8 of 10 pixels: IoU 2/3 counts at 13 of the 19 thresholds', () => {
    const found = score(rows(STANDING), rows(STANDING.map(([frame, id]) => [frame, id, 2])));
    expect(found.motp).toBeCloseTo(2 / 3, 12);
    expect(found.hota).toBeCloseTo(13 / 19, 12);
    expect(found.detA).toBeCloseTo(13 / 19, 12);
    expect(found.locA).toBeCloseTo((13 * (2 / 3) + 6) / 19, 9);
    expect(found).toMatchObject({ mota: 1, idf1: 1 });
  });

  test('below half an overlap it is a miss and a false positive, though HOTA still sees it', () => {
    const found = score(rows(STANDING), rows(STANDING.map(([frame, id]) => [frame, id, 4])));
    // IoU 6 / 14 counts from .05 to .4.
    expect(found).toMatchObject({ mota: -1, motp: 0, idf1: 0, falsePositives: 4, falseNegatives: 4, mostlyLost: 1 });
    expect(found.hota).toBeCloseTo(8 / 19, 12);
  });

  test('an object keeps the track that it had, though another lies better', () => {
    const results = rows([[1, 1, 0], [2, 1, 3], [2, 2, 0], [3, 1, 0]]);
    expect(score(rows(STANDING.slice(0, 3)), results, [1, 2, 3])).toMatchObject({ idSwitches: 0, falsePositives: 1, truePositives: 3 });
  });

  test('two objects whose tracks change places: two switches, and half of the identities are lost', () => {
    const truth = rows([1, 2, 3, 4].flatMap((frame): Spot[] => [[frame, 1, 0], [frame, 2, 100]]));
    const results = rows([1, 2, 3, 4].flatMap((frame): Spot[] => (frame < 3 ? [[frame, 8, 0], [frame, 9, 100]] : [[frame, 9, 0], [frame, 8, 100]])));
    // Each match goes with 2 of 4 + 4 - 2.
    const found = score(truth, results);
    expect(found).toMatchObject({ mota: 0.75, idf1: 0.5, idSwitches: 2, detA: 1 });
    expect(found.assA).toBeCloseTo(1 / 3, 12);
  });

  test('nothing found, nothing there, and neither', () => {
    expect(score(rows(STANDING), [])).toMatchObject({ mota: 0, idf1: 0, hota: 0, falseNegatives: 4, mostlyLost: 1 });
    expect(score([], rows(STANDING))).toMatchObject({ falsePositives: 4, falseNegatives: 0, idf1: 0, hota: 0 });
    expect(score([], [])).toMatchObject({ falsePositives: 0, falseNegatives: 0 });
  });

  test('frames that are not scored do not count', () => {
    expect(score(rows(STANDING), rows(STANDING.slice(0, 2)), [1, 2])).toMatchObject({ mota: 1, objectBoxes: 2, frames: 2 });
  });
});

describe('the rules of MOTChallenge', () => {
  const pedestrian = rows([[1, 1, 0]], { classId: 1 });

  test.each<[string, MotRow[], MotRow[], Partial<TrackScore>]>([
    ['a box on a distractor is neither right nor wrong', rows([[1, 2, 100]], { classId: 8, flag: 0 }), rows([[1, 5, 100]]), { objectBoxes: 1, trackBoxes: 1, falsePositives: 0 }],
    ['a person on a vehicle is one, too', rows([[1, 2, 100]], { classId: 2, flag: 1 }), rows([[1, 5, 100]]), { objectBoxes: 1, trackBoxes: 1, falsePositives: 0 }],
    ['a box on a car is wrong', rows([[1, 2, 100]], { classId: 3, flag: 0 }), rows([[1, 5, 100]]), { objectBoxes: 1, trackBoxes: 2, falsePositives: 1 }],
    ['a pedestrian that is not to be considered is no object, and a box on it is wrong', rows([[1, 2, 100]], { classId: 1, flag: 0 }), rows([[1, 5, 100]]), { objectBoxes: 1, trackBoxes: 2, falsePositives: 1 }],
    ['a box beside a distractor is wrong', rows([[1, 2, 106]], { classId: 8, flag: 0 }), rows([[1, 5, 100]]), { trackBoxes: 2, falsePositives: 1 }],
    ['a distractor takes no box that lies better on a pedestrian', rows([[1, 2, 3]], { classId: 8, flag: 0 }), [], { trackBoxes: 1, truePositives: 1 }],
  ])('%s', (_, others, more, expected) => {
    expect(score([...pedestrian, ...others], [...rows([[1, 4, 0]]), ...more], [1])).toMatchObject(expected);
  });

  test('without classes there are only pedestrians, and the flag still counts', () => {
    const truth = [...rows([[1, 1, 0]]), ...rows([[1, 2, 100]], { flag: 0 })];
    expect(score(truth, rows([[1, 4, 0]]), [1])).toMatchObject({ mota: 1, objectBoxes: 1 });
  });
});

describe('files of MOTChallenge', () => {
  test('ground truth with seven, nine and ten columns', () => {
    expect(parseMotRows('1,9,499.20,157.69,31.03,75.17,1\r\n\n', 'gt.txt')).toEqual([{ frame: 1, id: 9, xywh: [499.2, 157.69, 31.03, 75.17], flag: 1, classId: undefined }]);
    expect(parseMotRows('2, 3, 4, 5, 6, 7, 0, 8, 0.5', 'gt.txt')).toEqual([{ frame: 2, id: 3, xywh: [4, 5, 6, 7], flag: 0, classId: 8 }]);
    expect(parseMotRows('2,3,4,5,6,7,1,-1,-1,-1', 'gt.txt')[0]).toMatchObject({ flag: 1, classId: undefined });
  });

  test('detections without an identity are no tracks', () => {
    expect(parseMotRows('1,-1,4,5,6,7,0.9,-1,-1,-1', 'det.txt')).toEqual([]);
  });

  test.each<[string, string, RegExp]>([
    ['too few columns', '1,2,3,4,5', /^tracks\.txt:1: expected frame,id/],
    ['a word', '1,1,1,1,1,1\n1,x,3,4,5,6', /^tracks\.txt:2: expected frame,id/],
    ['frame 0', '0,1,1,1,1,1', /whole numbers for frame \(from 1\)/],
    ['an empty box', '1,1,1,1,0,5', /a box with an area but found 0 x 5/],
    ['one identity twice', '1,1,1,1,5,5\n1,1,9,9,5,5', /:2: frame 1 has the identity 1 twice/],
  ])('%s: refused with its line', (_, text, message) => {
    expect(() => parseMotRows(text, 'tracks.txt')).toThrow(expect.objectContaining({ code: 'ERR_DATASET_INVALID', message: expect.stringMatching(message) as string }) as Error);
  });

  test('what is written is read again', () => {
    const written = rows([[1, 2, 3, 4], [2, 2, 5, 6]], { flag: 0.5 });
    expect(parseMotRows(formatMotRows(written), 'tracks.txt')).toEqual(written);
  });
});

test('scores of anything lie in their ranges, counts add up, and names of tracks do not matter', () => {
  const spots = fc.uniqueArray(fc.record({ frame: fc.integer({ min: 1, max: 6 }), id: fc.integer({ min: 1, max: 4 }), left: fc.integer({ min: 0, max: 30 }) }), { selector: ({ frame, id }) => `${frame}:${id}`, maxLength: 20 });
  const toRows = (list: readonly { frame: number; id: number; left: number }[], rename = (id: number): number => id) => rows(list.map(({ frame, id, left }): Spot => [frame, rename(id), left]));
  fc.assert(
    fc.property(spots, spots, (truth, results) => {
      const frames = [1, 2, 3, 4, 5, 6];
      const found = score(toRows(truth), toRows(results), frames);
      for (const share of [found.motp, found.idf1, found.hota, found.detA, found.assA]) {
        expect(share).toBeGreaterThanOrEqual(0);
        expect(share).toBeLessThanOrEqual(1 + 1e-12);
      }
      expect(found.mota).toBeLessThanOrEqual(1);
      expect(found.truePositives + found.falseNegatives).toBe(truth.length);
      expect(found.truePositives + found.falsePositives).toBe(results.length);
      expect(found.mostlyTracked + found.partlyTracked + found.mostlyLost).toBe(found.objects);
      const renamed = score(toRows(truth), toRows(results, (id) => id + 100), frames);
      expect(renamed.hota).toBeCloseTo(found.hota, 12);
      expect(renamed.idf1).toBeCloseTo(found.idf1, 12);
    }),
  );
});
