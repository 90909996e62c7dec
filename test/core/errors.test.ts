import { describe, expect, test } from 'vitest';
import { assert, assertNever } from '../../src/core/assert.js';
import { AppError, ERROR_CODES, systemErrorCode, toAppError } from '../../src/core/errors.js';

describe('AppError', () => {
  test('has code, message, way out, cause and the exit status of its code', () => {
    const cause = new Error('why');
    const error = new AppError('ERR_PORT_IN_USE', 'port 80 is taken', { fix: 'Choose another.', cause });
    expect(error).toMatchObject({ name: 'AppError', code: 'ERR_PORT_IN_USE', message: 'port 80 is taken', fix: 'Choose another.', cause, exitStatus: 1 });
    expect(error).toBeInstanceOf(Error);
  });

  test('without a cause has none, not an undefined one', () => {
    const error = new AppError('ERR_USAGE', 'no such command');
    expect(Object.hasOwn(error, 'cause')).toBe(false);
    expect([error.fix, error.exitStatus]).toEqual([undefined, 2]);
  });

  test('exit statuses are 1 or 2: 2 is the user’s to mend before anything runs', () => {
    expect(new Set(Object.values(ERROR_CODES))).toEqual(new Set([1, 2]));
  });
});

describe('toAppError', () => {
  const coded = new AppError('ERR_DISK_FULL', 'no space');
  const plain = new TypeError('x is undefined');

  test('passes one through unchanged, whatever code is asked for', () => {
    expect(toAppError(coded, 'ERR_INTERNAL')).toBe(coded);
  });

  test.each<[string, unknown, string]>([
    ['an error', plain, 'x is undefined'],
    ['a string', 'oops', 'oops'],
    ['nothing', undefined, 'undefined'],
    ['an object', { a: 1 }, '[object Object]'],
  ])('wraps %s and keeps it as the cause', (_, thrown, message) => {
    const error = toAppError(thrown);
    expect([error.code, error.message]).toEqual(['ERR_INTERNAL', message]);
    if (thrown !== undefined) expect(error.cause).toBe(thrown);
    expect(toAppError(thrown, 'ERR_STAGE_FAILED').code).toBe('ERR_STAGE_FAILED');
  });
});

test.each<[string, unknown, string | undefined]>([
  ['a system error', Object.assign(new Error('no such file'), { code: 'ENOENT' }), 'ENOENT'],
  ['an error without a code', new Error('x'), undefined],
  ['a code that is a number', Object.assign(new Error('x'), { code: 5 }), undefined],
  ['no error', { code: 'ENOENT' }, undefined],
])('systemErrorCode of %s', (_, thrown, code) => {
  expect(systemErrorCode(thrown)).toBe(code);
});

test('assert says which invariant is broken', () => {
  expect(() => assert(false, 'one is less than two')).toThrow('Invariant broken: one is less than two');
  expect(() => assert(true, 'fine')).not.toThrow();
  expect(() => assertNever({ kind: 'surprise' } as never)).toThrow('Invariant broken: unexpected {"kind":"surprise"}');
});
