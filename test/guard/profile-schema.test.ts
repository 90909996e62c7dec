import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../src/core/errors.js';
import type { GuardProfile } from '../../src/guard/profile.js';
import { parseGuardProfile } from '../../src/guard/profile-schema.js';
import { ordinaryFinderProfile, ordinaryProfile } from './ordinary-profile.js';

const TAP = { output: 'guard_tap', stride: 4, channels: 2, width: 80, height: 60 };
const MODEL = { id: 'net', sha256: '0123456789abcdef'.repeat(4) };
const PROFILE = ordinaryProfile(MODEL, TAP);
const FINDER = ordinaryFinderProfile(MODEL, TAP, 'finder');
const BOTH = ordinaryFinderProfile(MODEL, TAP, 'both');

const parse = (value: unknown): GuardProfile => parseGuardProfile(JSON.stringify(value), 'guard.json', 'Calibrate.');

describe('parseGuardProfile', () => {
  it('gives back what was written, with all that it says beside', () => {
    for (const profile of [PROFILE, FINDER, BOTH]) expect(parse(profile)).toEqual(profile);
    const more = { ...PROFILE, more: { a: [1] }, evidence: { ...PROFILE.evidence, other: { mean: 0, deviation: 0, quantiles: [0], note: 'x' } } };
    expect(parse(more)).toEqual(more);
  });

  it.each<[string, unknown, RegExp]>([
    ['no object', 7, /guard\.json: \(profile\)/],
    ['null', null, /guard\.json: \(profile\)/],
    ['a version to come', { ...PROFILE, version: 7 }, /has version 7, this lynceus reads version \d/],
    ['one of the time before the finder', { ...PROFILE, version: 2, search: undefined }, /has version 2, this lynceus reads version 4/],
    ['no version', { ...PROFILE, version: undefined }, /version/],
    ['a sum that is none', { ...PROFILE, modelSha256: 'abc' }, /modelSha256: must be 64/],
    ['a channel too many', { ...PROFILE, cells: { ...PROFILE.cells, mean: [1, 2, 3] } }, /cells\.mean: expected 2 numbers, one for each channel of the tap, found 3/],
    ['a weight less', { ...PROFILE, cells: { ...PROFILE.cells, weights: { ...PROFILE.cells.weights, colour: [1, 2] } } }, /cells\.weights\.colour: expected 5 numbers/],
    ['a size without its scale', { ...PROFILE, windows: { ...PROFILE.windows, scale: { ...PROFILE.windows.scale, grey: [1] } } }, /windows\.scale\.grey: expected 2 numbers/],
    ['features of another kind', { ...PROFILE, region: { ...PROFILE.region, grey: { ...PROFILE.region.grey, weights: [1] } } }, /region\.grey\.weights: expected \d+ numbers, one for each feature of a region, found 1/],
    ['a negative deviation', { ...PROFILE, cells: { ...PROFILE.cells, deviation: [1, -1] } }, /cells\.deviation\.1/],
    ['a tail that falls upwards', { ...PROFILE, effect: { ...PROFILE.effect, hiding: { ...PROFILE.effect.hiding, scale: 0 } } }, /effect\.hiding\.scale/],
    ['a number that JSON can not hold', { ...PROFILE, thresholds: { ...PROFILE.thresholds, flag: NaN } }, /thresholds\.flag/],
    ['no cells', { ...PROFILE, tap: { ...PROFILE.tap, width: 0 } }, /tap\.width/],
    ['a search of another kind', { ...PROFILE, search: 'luck' }, /search: /],
    ['no finder where it was learnt with one', { ...BOTH, finder: undefined }, /finder: expected, since the search is both/],
    ['no windows where the search has them', { ...BOTH, windows: undefined }, /windows: expected, since the search is both/],
    ['no cells either', { ...PROFILE, cells: undefined }, /cells: expected, since the search is evidence/],
    ['views of another search', { ...FINDER, region: PROFILE.region }, /region\.finder: expected, since the search is finder/],
    ['features of another view', { ...BOTH, region: { ...BOTH.region, finder: PROFILE.region.colour } }, /region\.finder\.mean: expected 7 numbers, one for each feature of a region, found 14/],
    ['evidence without quantiles', { ...PROFILE, evidence: { suspicion: { mean: 0, deviation: 1 } } }, /evidence\.suspicion\.quantiles/],
  ])('refuses %s by its path', (_, value, message) => {
    expect(() => parse(value)).toThrow(expect.objectContaining({ code: 'ERR_GUARD_PROFILE_INVALID', message: expect.stringMatching(message) as string, fix: 'Calibrate.' }));
  });

  it('never fails in another way, whatever the file holds', () => {
    const text = fc.oneof(fc.string(), fc.json(), fc.jsonValue().map((value) => JSON.stringify({ ...PROFILE, cells: value })));
    fc.assert(
      fc.property(text, (written) => {
        try {
          expect(parseGuardProfile(written, 'guard.json', 'Calibrate.')).toHaveProperty('modelSha256');
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
          expect(error).toMatchObject({ code: 'ERR_GUARD_PROFILE_INVALID' });
        }
      }),
    );
  });
});
