import { describe, expect, it } from 'vitest';
import { effectOf, madeUpBy, netEffect, sameObject, vanishedWith } from '../../src/guard/effect.js';
import { box, found, type FoundBox, region, UNSCALED } from './found.js';

const [PERSON, DOG] = [0, 16];
const BODY = [100, 100, 160, 260] as const;
/** On the chest of the body. */
const PATCH = region([115, 140, 145, 170]);
const AT_PATCH = [113, 138, 147, 172] as const;

describe('effectOf', () => {
  it.each<[what: string, before: FoundBox[], covered: FoundBox[], effect: { gain: number; after: number; loss: number }]>([
    ['an object comes back', [], [box(BODY, 0.8)], { gain: 0.8, after: 0.8, loss: 0 }],
    ['a weak one gets stronger', [box(BODY, 0.3)], [box(BODY, 0.8)], { gain: 0.5, after: 0.8, loss: 0 }],
    ['its box moves a little', [box(BODY, 0.3)], [box([104, 104, 164, 262], 0.8)], { gain: 0.5, after: 0.8, loss: 0 }],
    ['nothing changes', [box(BODY, 0.8)], [box(BODY, 0.8)], { gain: 0, after: 0, loss: 0 }],
    ['it loses, as any object that is covered does', [box(BODY, 0.8)], [box(BODY, 0.5)], { gain: 0, after: 0, loss: 0 }],
    ['it goes away', [box(BODY, 0.8)], [], { gain: 0, after: 0, loss: 0 }],
    ['the person turns into a dog', [box(BODY, 0.8, PERSON)], [box(BODY, 0.7, DOG)], { gain: 0.7, after: 0.7, loss: 0.8 }],
    ['a dog that the patch has made turns into a person', [box(BODY, 0.2, DOG)], [box(BODY, 0.7, PERSON)], { gain: 0.7, after: 0.7, loss: 0.2 }],
    ['false boxes elsewhere and of another size go away', [box(AT_PATCH, 0.9, DOG), box([400, 100, 460, 260], 0.9, DOG)], [box(BODY, 0.7)], { gain: 0.7, after: 0.7, loss: 0 }],
    ['an object beside the region comes back', [], [box([200, 100, 260, 260], 0.8)], { gain: 0, after: 0, loss: 0 }],
    ['an object comes back that the region covers all of', [], [box(AT_PATCH, 0.8)], { gain: 0, after: 0, loss: 0 }],
    ['the whole scene around it comes back', [], [box([0, 0, 400, 400], 0.8)], { gain: 0, after: 0, loss: 0 }],
    ['of two, the one that gains the most counts', [box(BODY, 0.5, PERSON)], [box(BODY, 0.7, PERSON), box([105, 110, 160, 220], 0.6, DOG)], { gain: 0.6, after: 0.6, loss: 0 }],
  ])('%s', (_, before, covered, expected) => {
    const effect = effectOf(PATCH, found(...before), found(...covered), UNSCALED, 1);
    expect(Object.entries(effect).map(([name, value]) => [name, Math.round(value * 1e4) / 1e4])).toEqual(Object.entries(expected));
  });

  it('is in units of the score scale, and of the pixels of the input', () => {
    // Half of the size, moved by 10.
    const fit = { scaleX: 0.5, scaleY: 0.5, padX: 10, padY: 0 };
    const small = region([67, 70, 83, 85]);
    expect(effectOf(small, found(), found(box(BODY, 0.4)), fit, 0.8).gain).toBeCloseTo(0.5, 6);
    expect(effectOf(PATCH, found(), found(box(BODY, 0.4)), fit, 0.8).gain).toBe(0);
  });
});

describe('netEffect', () => {
  it.each([
    [{ gain: 0.8, after: 0.8, loss: 0 }, 0.8],
    [{ gain: 0.75, after: 0.8, loss: 0.25 }, 0.5],
    [{ gain: 0.5, after: 0.5, loss: 0.75 }, 0],
    [{ gain: 0, after: 0, loss: 0 }, 0],
  ])('of %j is %f', (effect, expected) => {
    expect(netEffect(effect)).toBe(expected);
  });
});

describe('madeUpBy', () => {
  const BESIDE = [165, 110, 200, 220] as const;

  it.each<[what: string, before: FoundBox[], covered: FoundBox[], madeUp: number]>([
    ['a false object beside the patch goes away', [box(BODY, 0.8), box(BESIDE, 0.6)], [box(BODY, 0.8)], 0.6],
    ['most of it goes away', [box(BESIDE, 0.6)], [box(BESIDE, 0.2)], 0.6],
    ['half of it stays', [box(BESIDE, 0.6)], [box(BESIDE, 0.3)], 0],
    ['another class is seen at its place', [box(BESIDE, 0.6, DOG)], [box(BESIDE, 0.5, PERSON)], 0],
    ['the object below goes away, as any does of which a part is covered', [box(BODY, 0.8)], [], 0],
    ['what the region covers much of goes away', [box(AT_PATCH, 0.8, DOG)], [], 0],
    ['one out of reach goes away', [box([300, 100, 360, 260], 0.9)], [], 0],
    ['the most confident counts', [box(BESIDE, 0.4), box([80, 100, 112, 200], 0.5)], [], 0.5],
    ['nothing was there', [], [box(BESIDE, 0.6)], 0],
  ])('%s', (_, before, covered, madeUp) => {
    expect(madeUpBy(PATCH, found(...before), found(...covered), UNSCALED, 1)).toBeCloseTo(madeUp, 6);
  });
});

describe('vanishedWith', () => {
  it.each<[what: string, before: FoundBox[], covered: FoundBox[], vanished: number]>([
    ['a decoy at the place goes away', [box(AT_PATCH, 0.9, DOG)], [], 0.9],
    ['most of it goes away', [box(AT_PATCH, 0.9, DOG)], [box(AT_PATCH, 0.2, DOG)], 0.9],
    ['half of it stays', [box(AT_PATCH, 0.9, DOG)], [box(AT_PATCH, 0.5, DOG)], 0],
    ['it is called another thing', [box(AT_PATCH, 0.9, DOG)], [box(AT_PATCH, 0.9, PERSON)], 0.9],
    ['a large object around it goes away', [box(BODY, 0.9)], [], 0],
    ['one beside it goes away', [box([300, 140, 330, 170], 0.9)], [], 0],
    ['nothing was there', [], [box(AT_PATCH, 0.9)], 0],
    ['the most confident counts', [box(AT_PATCH, 0.9, DOG), box(AT_PATCH, 0.4, PERSON)], [], 0.9],
  ])('%s', (_, before, covered, vanished) => {
    expect(vanishedWith(PATCH, found(...before), found(...covered), UNSCALED, 1)).toBeCloseTo(vanished, 6);
    expect(vanishedWith(PATCH, found(...before), found(...covered), UNSCALED, 0.5)).toBeCloseTo(2 * vanished, 6);
  });
});

describe('sameObject', () => {
  const others = found(box(BODY, 0.9, DOG), box([130, 100, 190, 260], 0.8, PERSON), box([102, 100, 162, 260], 0.4, PERSON));

  it('is the one of its class that overlaps it most, however weak', () => {
    expect(sameObject(others, found(box(BODY, 0.5, PERSON)), 0)).toBe(2);
  });

  it.each([
    ['of another class', box(BODY, 0.5, 3)],
    ['elsewhere', box([400, 100, 460, 260], 0.5, PERSON)],
    ['a part of it alone', box([100, 100, 160, 150], 0.5, PERSON)],
  ])('is none where there is only one %s', (_, one) => {
    expect(sameObject(others, found(one), 0)).toBe(-1);
  });
});
