import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AppError } from '../../src/core/errors.js';
import { delaysOf } from '../../src/study/delays.js';
import { expectedOf, parseInjection } from '../../src/study/injection.js';

describe('what an injection says', () => {
  test.each([
    ['decode:gauss:5ms', { kind: 'delay', place: 'source', delay: { shape: 'gauss', ms: 5 } }],
    ['source:uniform:1.5ms', { kind: 'delay', place: 'source', delay: { shape: 'uniform', ms: 1.5 } }],
    ['detect:fixed:500us', { kind: 'delay', place: 'detect', delay: { shape: 'fixed', ms: 0.5 } }],
    ['deliver:spike:1s:2%', { kind: 'delay', place: 'deliver', delay: { shape: 'spike', ms: 1000, share: 0.02 } }],
    ['gc:storm', { kind: 'gc', blockMs: 25, everyMs: 150 }],
    ['gc:storm:10ms', { kind: 'gc', blockMs: 10, everyMs: 60 }],
    ['cpu:50%', { kind: 'cpu', share: 0.5 }],
    ['cpu:load:2', { kind: 'load', processes: 2 }],
    ['link:loss:2%', { kind: 'link', lossShare: 0.02 }],
    ['content:mosaic', { kind: 'content', change: 'mosaic', tiles: 4, share: 0.5 }],
    ['content:mosaic:3:10%', { kind: 'content', change: 'mosaic', tiles: 3, share: 0.1 }],
    ['content:dark:20%', { kind: 'content', change: 'dark', tiles: 4, share: 0.2 }],
  ])('%s', (text, expected) => {
    expect(parseInjection(text)).toEqual(expected);
  });
});

describe('what is refused, and the words for it', () => {
  test.each([
    ['', "expected a place before the first colon, found ''"],
    ['detect', 'expected gauss, uniform, fixed or spike after the place'],
    ['detect:normal:5ms', "found 'normal'"],
    ['detect:gauss:5', 'expected a time with its unit'],
    ['detect:gauss:-5ms', 'expected a time with its unit'],
    ['detect:gauss:0ms', 'expected a time with its unit'],
    ['detect:gauss:11s', 'up to 10s'],
    ['detect:gauss:5ms:10%', 'only a spike takes a share'],
    ['detect:spike:5ms', 'expected a percentage'],
    ['detect:spike:5ms:10%:more', "expected nothing more, found 'more'"],
    ['gc:rain', 'expected gc:storm'],
    ['cpu:0%', 'expected a percentage over 0'],
    ['cpu:1%', 'expected 5 % or more'],
    ['cpu:load:0', 'expected a number of processes'],
    ['link:jam:2%', 'expected link:loss'],
    ['link:loss:101%', 'expected a percentage over 0 up to 100'],
    ['content:cats', 'expected mosaic, noise, dark or blank'],
    ['content:mosaic:99', 'expected 2 to 16 tiles'],
  ])('%s', (text, message) => {
    expect(() => parseInjection(text)).toThrow(AppError);
    expect(() => parseInjection(text)).toThrow(message);
    expect(() => parseInjection(text)).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }) as Error);
  });

  test('any text is either read or refused as a mistake of usage', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.array(fc.constantFrom('gc', 'cpu', 'link', 'detect', 'gauss', 'loss', '5ms', '2%', 'load', '1', ''), { maxLength: 5 }).map((words) => words.join(':'))), (text) => {
        try {
          parseInjection(text);
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_USAGE' });
        }
      }),
    );
  });
});

test.each([
  ['decode:gauss:5ms', 'io', 'source'],
  ['model:gauss:5ms', 'model', 'find'],
  ['blur:gauss:5ms', 'model', 'blur'],
  ['deliver:gauss:5ms', 'end-to-end', 'deliver'],
  ['gc:storm', 'runtime', undefined],
  ['cpu:50%', 'hardware', undefined],
  ['cpu:load:1', 'hardware', undefined],
  ['link:loss:1%', 'io', 'transport'],
  ['content:mosaic', 'data', 'find'],
])('%s belongs to %s, %s', (text, perspective, stage) => {
  expect(expectedOf(parseInjection(text), 'find')).toEqual({ perspective, stage });
});

describe('delays', () => {
  const draw = (text: string, seed: number, n = 20_000): number[] => {
    const injection = parseInjection(text);
    if (injection.kind !== 'delay') throw new Error('no delay');
    const next = delaysOf(injection.delay, seed);
    return Array.from({ length: n }, next);
  };
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const deviation = (values: readonly number[]) => {
    const middle = mean(values);
    return Math.sqrt(mean(values.map((value) => (value - middle) ** 2)));
  };

  // Of a normal distribution cut at two deviations below its mean: mean 2 + 0.0085, deviation 0.977 (integrals of the density).
  test.each([
    ['detect:gauss:5ms', 10.04, 4.88],
    ['detect:uniform:6ms', 3, 6 / Math.sqrt(12)],
    ['detect:fixed:4ms', 4, 0],
    ['detect:spike:10ms:20%', 2, 4],
  ])('%s', (text, expectedMean, expectedDeviation) => {
    const values = draw(text, 3);
    expect(Math.abs(mean(values) - expectedMean)).toBeLessThan(0.15);
    expect(Math.abs(deviation(values) - expectedDeviation)).toBeLessThan(0.15);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
  });

  test('the same seed gives the same delays, another one others', () => {
    expect(draw('detect:gauss:5ms', 1, 10)).toEqual(draw('detect:gauss:5ms', 1, 10));
    expect(draw('detect:gauss:5ms', 1, 10)).not.toEqual(draw('detect:gauss:5ms', 2, 10));
  });
});
