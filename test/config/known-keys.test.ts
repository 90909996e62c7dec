import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { childOf, knownKeys } from '../../src/config/known-keys.js';

const shape = z.discriminatedUnion('kind', [z.strictObject({ kind: z.literal('circle'), radius: z.number() }), z.strictObject({ kind: z.literal('square'), side: z.number() })]);
const schema = z.strictObject({ name: z.string(), shapes: z.array(shape), size: z.union([z.number(), z.strictObject({ width: z.number(), height: z.number() })]).optional(), free: z.record(z.string(), z.unknown()) });

describe('knownKeys', () => {
  test.each<[string, (string | number)[], unknown, string[]]>([
    ['at the top', [], {}, ['name', 'shapes', 'size', 'free']],
    ['of the alternative that the value names', ['shapes', 1], { shapes: [{}, { kind: 'square' }] }, ['kind', 'side']],
    ['of an alternative that nobody knows', ['shapes', 0], { shapes: [{ kind: 'star' }] }, []],
    ['of the one alternative that has keys', ['size'], { size: { wdith: 1 } }, ['width', 'height']],
    ['where any key is allowed', ['free'], { free: {} }, []],
    ['where there is no such place', ['name', 'first'], { name: 'a' }, []],
    ['inherited names are no keys', ['constructor'], {}, []],
  ])('%s', (_, path, value, keys) => {
    expect(knownKeys(schema, path, value)).toEqual(keys);
  });
});

test.each<[string, unknown, PropertyKey, unknown]>([
  ['an item', [1, 2], 1, 2],
  ['a key', { a: 1 }, 'a', 1],
  ['no such key', { a: 1 }, 'b', undefined],
  ['an inherited one', {}, 'toString', undefined],
  ['of nothing', null, 'a', undefined],
  ['of a text', 'abc', 0, undefined],
])('childOf: %s', (_, value, key, child) => {
  expect(childOf(value, key)).toBe(child);
});
