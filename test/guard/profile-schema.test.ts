import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppError } from '../../src/core/errors.js';
import { GUARD_PROFILE_VERSION, type GuardProfile } from '../../src/guard/profile.js';
import { parseGuardProfile } from '../../src/guard/profile-schema.js';
import { REGION_FEATURES } from '../../src/guard/search/region-features.js';

const FEATURES = REGION_FEATURES.map((_, i) => i);

const PROFILE: GuardProfile = {
  version: GUARD_PROFILE_VERSION,
  modelId: 'net',
  modelSha256: '0123456789abcdef'.repeat(4),
  tap: { output: 'guard_tap', stride: 4, channels: 2, width: 80, height: 60 },
  calibratedOn: { description: 'yard', pictures: 300 },
  cells: { mean: [0.5, -1], deviation: [1, 0], pixelMean: [0], pixelDeviation: [1], weights: [1, -2, 3] },
  windows: { sizes: [3, 5], scale: [1, 0.5] },
  region: { mean: FEATURES, deviation: FEATURES, weights: FEATURES, bias: -3 },
  effect: { from: 0.1, share: 0.05, scale: 0.02 },
  evidence: { suspicion: { mean: 0.1, deviation: 0.2, quantiles: [0, 0.1, 0.2, 0.3, 0.4, 0.5] } },
  thresholds: { trigger: -2, flag: 4, scoreScale: 0.9 },
};

const parse = (value: unknown): GuardProfile => parseGuardProfile(JSON.stringify(value), 'guard.json', 'Calibrate.');

describe('parseGuardProfile', () => {
  it('gives back what was written, with all that it says beside', () => {
    expect(parse(PROFILE)).toEqual(PROFILE);
    const more = { ...PROFILE, more: { a: [1] }, evidence: { ...PROFILE.evidence, other: { mean: 0, deviation: 0, quantiles: [0], note: 'x' } } };
    expect(parse(more)).toEqual(more);
  });

  it.each<[string, unknown, RegExp]>([
    ['no object', 7, /guard\.json: \(profile\)/],
    ['null', null, /guard\.json: \(profile\)/],
    ['a version to come', { ...PROFILE, version: 7 }, /has version 7, this lynceus reads version \d/],
    ['no version', { ...PROFILE, version: undefined }, /version/],
    ['a sum that is none', { ...PROFILE, modelSha256: 'abc' }, /modelSha256: must be 64/],
    ['a channel too many', { ...PROFILE, cells: { ...PROFILE.cells, mean: [1, 2, 3] } }, /cells\.mean: expected 2 numbers, one for each channel of the tap, found 3/],
    ['a weight less', { ...PROFILE, cells: { ...PROFILE.cells, weights: [1, 2] } }, /cells\.weights: expected 3 numbers/],
    ['a size without its scale', { ...PROFILE, windows: { sizes: [3, 5], scale: [1] } }, /windows\.scale: expected 2 numbers/],
    ['features of another kind', { ...PROFILE, region: { ...PROFILE.region, weights: [1] } }, /region\.weights: expected \d+ numbers, one for each feature of a region, found 1/],
    ['a negative deviation', { ...PROFILE, cells: { ...PROFILE.cells, deviation: [1, -1] } }, /cells\.deviation\.1/],
    ['a tail that falls upwards', { ...PROFILE, effect: { ...PROFILE.effect, scale: 0 } }, /effect\.scale/],
    ['a number that JSON can not hold', { ...PROFILE, thresholds: { ...PROFILE.thresholds, flag: NaN } }, /thresholds\.flag/],
    ['no cells', { ...PROFILE, tap: { ...PROFILE.tap, width: 0 } }, /tap\.width/],
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
