import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ERROR_CODES } from '../../src/core/errors.js';
import { REPOSITORY, repositoryFiles } from '../fixtures/repository.js';

interface Row {
  readonly code: string;
  readonly exitStatus: number;
  readonly meaning: string;
  readonly fix: string;
}

function rowsOf(markdown: string): Row[] {
  const rows = markdown.matchAll(/^\| `(ERR_\w+)` \| (\d) \| ([^|]+) \| ([^|]+) \|$/gm);
  return [...rows].map(([, code, exitStatus, meaning, fix]) => ({ code: code!, exitStatus: Number(exitStatus), meaning: meaning!.trim(), fix: fix!.trim() }));
}

const markdown = readFileSync(`${REPOSITORY}docs/errors.md`, 'utf8');
const rows = rowsOf(markdown);

describe('docs/errors.md', () => {
  test('explains the codes of core/errors.ts: all of them, no others, each once, in the same order', () => {
    console.log(`${rows.length} codes in docs/errors.md`);
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.map(({ code }) => code)).toEqual(Object.keys(ERROR_CODES));
  });

  test('has no row that its own table syntax hides from this test', () => {
    expect(markdown.match(/^\| `?ERR_/gm)).toHaveLength(rows.length);
  });

  test('says with which status each ends a command', () => {
    expect(Object.fromEntries(rows.map(({ code, exitStatus }) => [code, exitStatus]))).toEqual(ERROR_CODES);
  });

  test('says what each means and what to do, in sentences', () => {
    const poor = rows.filter(({ meaning, fix }) => meaning.length < 20 || fix.length < 15 || !meaning.endsWith('.') || !fix.endsWith('.'));
    expect(poor).toEqual([]);
  });
});

test('every code that the sources mention is one of the table', () => {
  const files = repositoryFiles('src', '.ts');
  const strangers = files.flatMap((path) => {
    const mentioned = readFileSync(`${REPOSITORY}${path}`, 'utf8').match(/\bERR_[A-Z_]+\b/g) ?? [];
    // Node's and commander's own codes are compared with, never thrown.
    return mentioned.filter((code) => !Object.hasOwn(ERROR_CODES, code) && !/^ERR_(HTTP|STREAM|SOCKET|INVALID|MODULE|WORKER_OUT|USE)_/.test(code)).map((code) => `${path}: ${code}`);
  });
  console.log(`${files.length} files looked at`);
  expect(files.length).toBeGreaterThan(0);
  expect(strangers).toEqual([]);
});
