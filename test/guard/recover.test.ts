import { describe, expect, it } from 'vitest';
import { recover } from '../../src/guard/recover.js';
import { box, boxesOf, found, type FoundBox, region, UNSCALED } from './found.js';

const [PERSON, DOG] = [0, 16];
const THRESHOLDS = { confidenceThreshold: 0.25, maxDetections: 100 };
const BODY = [100, 100, 160, 260] as const;
const PATCH = region([115, 140, 145, 170]);
const AT_PATCH = [113, 138, 147, 172] as const;
/** Its upper part: more than half of it. */
const HALF_BODY = [100, 100, 160, 195] as const;
/** Within reach of the patch. */
const BESIDE = [165, 110, 200, 220] as const;
const ELSEWHERE = [300, 100, 360, 260] as const;

interface Case {
  readonly first: readonly FoundBox[];
  readonly repaired: readonly FoundBox[];
  /** Regions that were filled in both; none by default. */
  readonly filled?: readonly ReturnType<typeof region>[];
  readonly delivered: readonly (readonly [FoundBox, 'untouched' | 'recovered'])[];
  readonly suppressed?: readonly FoundBox[];
}

const CASES: Readonly<Record<string, Case>> = {
  'a hidden object is recovered': { first: [], repaired: [box(BODY, 0.8)], delivered: [[box(BODY, 0.8), 'recovered']] },
  'so is one that was found too weakly to be delivered': { first: [box(BODY, 0.2)], repaired: [box(BODY, 0.8)], delivered: [[box(BODY, 0.8), 'recovered']] },
  'one that was delivered in any case is untouched, and as confident as it can be': { first: [box(BODY, 0.5)], repaired: [box(BODY, 0.8)], delivered: [[box(BODY, 0.8), 'untouched']] },
  'covering a part of it takes nothing from it': { first: [box(BODY, 0.8)], repaired: [box(BODY, 0.4)], delivered: [[box(BODY, 0.8), 'untouched']] },
  'nor does it go away': { first: [box(BODY, 0.8)], repaired: [], delivered: [[box(BODY, 0.8), 'untouched']] },
  'a box that shows nothing but the patch is suppressed': { first: [box(BODY, 0.8), box(AT_PATCH, 0.9, DOG)], repaired: [box(BODY, 0.8)], delivered: [[box(BODY, 0.8), 'untouched']], suppressed: [box(AT_PATCH, 0.9, DOG)] },
  'not so one that the repaired picture still has, but it is as sure as there': { first: [box(AT_PATCH, 0.9, DOG)], repaired: [box(AT_PATCH, 0.7, DOG)], delivered: [[box(AT_PATCH, 0.7, DOG), 'untouched']] },
  'an object beside the patch goes away with it: the patch made it up': { first: [box(BODY, 0.8), box(BESIDE, 0.7)], repaired: [box(BODY, 0.8)], delivered: [[box(BODY, 0.8), 'untouched']], suppressed: [box(BESIDE, 0.7)] },
  'or is hardly seen any more': { first: [box(BESIDE, 0.7)], repaired: [box(BESIDE, 0.3)], delivered: [[box(BESIDE, 0.3), 'untouched']] },
  'one beside it comes back': { first: [box(BESIDE, 0.1)], repaired: [box(BESIDE, 0.7)], delivered: [[box(BESIDE, 0.7), 'recovered']] },
  'a weak box that happens to overlap an object does not take its place': { first: [box(BODY, 0.9)], repaired: [box(BODY, 0.95), box(HALF_BODY, 0.03)], delivered: [[box(BODY, 0.95), 'untouched']] },
  'a half that was found in place of a whole gives way to it': { first: [box(HALF_BODY, 0.6)], repaired: [box(BODY, 0.9)], delivered: [[box(BODY, 0.9), 'untouched']] },
  'what would not have been delivered is not suppressed either': { first: [box(AT_PATCH, 0.25, DOG)], repaired: [], delivered: [] },
  'away from the patch, the picture counts as it came': { first: [box(ELSEWHERE, 0.5)], repaired: [box(ELSEWHERE, 0.9)], delivered: [[box(ELSEWHERE, 0.5), 'untouched']] },
  'what comes up away from it is not delivered': { first: [], repaired: [box(ELSEWHERE, 0.9)], delivered: [] },
  'what goes away there stays': { first: [box(ELSEWHERE, 0.5)], repaired: [], delivered: [[box(ELSEWHERE, 0.5), 'untouched']] },
  'what lies on a region that was filled from the start is recovered': { first: [box(ELSEWHERE, 0.5)], repaired: [box(ELSEWHERE, 0.5)], filled: [region([315, 140, 345, 170])], delivered: [[box(ELSEWHERE, 0.5), 'recovered']] },
  'nothing is delivered that is not above the threshold': { first: [box(ELSEWHERE, 0.25)], repaired: [box(BODY, 0.25)], delivered: [] },
};

describe('recover', () => {
  it.each(Object.entries(CASES))('%s', (_, { first, repaired, filled = [], delivered, suppressed = [] }) => {
    const recovered = recover(found(...first), found(...repaired), [PATCH], filled, UNSCALED, THRESHOLDS);
    expect(boxesOf(recovered.detections)).toEqual(delivered.map(([expected]) => expected));
    expect(recovered.origins).toEqual(delivered.map(([, origin]) => origin));
    expect(boxesOf(recovered.suppressed)).toEqual(suppressed);
  });

  it('also delivers what a tracker wants, and to the user that is still not found', () => {
    const first = found(box(ELSEWHERE, 0.15), box(AT_PATCH, 0.2, DOG), box(BODY, 0.12));
    const recovered = recover(first, found(box(BODY, 0.8), box(ELSEWHERE, 0.15)), [PATCH], [], UNSCALED, { ...THRESHOLDS, keepConfidence: 0.1 });
    expect(boxesOf(recovered.detections)).toEqual([box(BODY, 0.8), box(ELSEWHERE, 0.15)]);
    expect(recovered.origins).toEqual(['recovered', 'untouched']);
    expect(boxesOf(recovered.suppressed)).toEqual([]);
  });

  it('delivers the most confident first and no more than is wanted', () => {
    const first = found(box([0, 0, 40, 40], 0.6), box([50, 0, 90, 40], 0.4), box([100, 0, 140, 40], 0.35));
    const { detections, origins } = recover(first, found(box(BODY, 0.5, PERSON), ...boxesOf(first)), [PATCH], [], UNSCALED, { ...THRESHOLDS, maxDetections: 3 });
    expect(boxesOf(detections).map(({ confidence }) => confidence)).toEqual([0.6, 0.5, 0.4]);
    expect(origins).toEqual(['untouched', 'recovered', 'untouched']);
  });

  it('a patch of several puts its own boxes in order, and every box is delivered or suppressed', () => {
    const other = region([315, 140, 345, 170]);
    const first = found(box(AT_PATCH, 0.9, DOG), box([313, 138, 347, 172], 0.7, DOG), box([0, 0, 40, 40], 0.5));
    const { detections, origins, suppressed } = recover(first, found(box(BODY, 0.8), box(ELSEWHERE, 0.85)), [PATCH, other], [], UNSCALED, THRESHOLDS);
    expect(boxesOf(detections)).toEqual([box(ELSEWHERE, 0.85), box(BODY, 0.8), box([0, 0, 40, 40], 0.5)]);
    expect(origins).toEqual(['recovered', 'recovered', 'untouched']);
    expect(boxesOf(suppressed)).toEqual([box(AT_PATCH, 0.9, DOG), box([313, 138, 347, 172], 0.7, DOG)]);
    expect(detections.boxesBeforeNms).toBe(first.boxesBeforeNms);
  });
});
