import type { z } from 'zod';
import { nearestWord } from './edit-distance.js';
import { childOf, knownKeys } from './known-keys.js';

/** One thing that is wrong with a value, in words. */
export interface Fault {
  readonly kind: 'unknown-key' | 'missing' | 'invalid';
  readonly path: readonly PropertyKey[];
  /** `unknown-key` only. */
  readonly key?: string;
  readonly message: string;
  /** What to do about it, where more is known than the schema. */
  readonly fix?: string;
}

const MAX_SHOWN_CHARACTERS = 80;
/** User and password of an address. */
const CREDENTIALS = /\/\/[^/@\s]*@/g;

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  record: 'a mapping',
};

/**
 * What is wrong with a value, in the order in which the schema found it; unknown keys first, because a misspelt key is also a missing one.
 *
 * @param written the value as its author wrote it, without what came from the environment: it's shown.
 */
export function faultsOf(issues: readonly z.core.$ZodIssue[], schema: z.ZodType, written: unknown): Fault[] {
  const unknown: Fault[] = [];
  const others: Fault[] = [];
  /** Where a misspelt key belongs: that it is missing goes without saying. */
  const misspelt = new Set<string>();
  for (const issue of issues) {
    if (issue.code !== 'unrecognized_keys') continue;
    const allowed = knownKeys(schema, issue.path, written);
    for (const key of issue.keys) {
      const meant = nearestWord(key, allowed);
      if (meant !== undefined) misspelt.add(pathText([...issue.path, meant]));
      unknown.push(unknownKey(issue.path, key, meant, allowed));
    }
  }
  for (const issue of issues) {
    if (issue.code === 'unrecognized_keys' || (valueAt(written, issue.path) === undefined && misspelt.has(pathText(issue.path)))) continue;
    others.push(otherFault(issue, written));
  }
  return [...unknown, ...others];
}

/** `stages[0].options`; the whole is `the file`. */
export function pathText(path: readonly PropertyKey[]): string {
  if (path.length === 0) return 'the file';
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i === 0 ? '' : '.'}${String(key)}`)).join('');
}

function unknownKey(path: readonly PropertyKey[], key: string, meant: string | undefined, allowed: readonly string[]): Fault {
  const where = path.length === 0 ? '' : ` in ${pathText(path)}`;
  const message = `unknown key '${shorten(key)}'${where}${meant === undefined ? '' : `, did you mean '${meant}'?`}`;
  return { kind: 'unknown-key', path, key, message, fix: `Allowed in ${pathText(path)}: ${allowed.join(', ')}.` };
}

function otherFault(issue: z.core.$ZodIssue, written: unknown): Fault {
  const { path } = issue;
  const found = valueAt(written, path);
  const expected = expectation(issue);
  if (found === undefined) return { kind: 'missing', path, message: `${pathText(path)} is missing, ${expected}` };
  return { kind: 'invalid', path, message: `${pathText(path)}: ${expected}, received ${shown(found)}${suggestion(issue, found)}` };
}

function expectation(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_type') return `expected ${TYPE_NAMES[issue.expected] ?? issue.expected}`;
  const choices = choicesOf(issue);
  if (choices.length > 0) return `expected ${listOf(choices)}`;
  // 'Too small: expected number to be >0', 'Expected 1 to 64 letters'.
  const text = issue.message.replace(/^(Invalid \w+|Too \w+): /, '');
  return text.charAt(0).toLowerCase() + text.slice(1);
}

function choicesOf(issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'invalid_value') return issue.values.map(String);
  if (issue.code === 'invalid_union' && 'options' in issue && Array.isArray(issue.options)) return issue.options.map(String);
  return [];
}

function suggestion(issue: z.core.$ZodIssue, found: unknown): string {
  const meant = typeof found === 'string' ? nearestWord(found, choicesOf(issue)) : undefined;
  return meant === undefined ? '' : `, did you mean '${meant}'?`;
}

function listOf(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)!}`;
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (value !== null && typeof value === 'object') return 'a mapping';
  return typeof value === 'string' ? `'${shorten(value)}'` : String(value);
}

function shorten(text: string): string {
  const safe = text.replaceAll(CREDENTIALS, '//***@').replaceAll(/\s+/g, ' ');
  return safe.length <= MAX_SHOWN_CHARACTERS ? safe : `${safe.slice(0, MAX_SHOWN_CHARACTERS)}...`;
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce(childOf, value);
}
