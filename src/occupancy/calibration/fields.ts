import { parseDocument } from 'yaml';
import { AppError } from '../../core/errors.js';

export function badFormat(name: string, message: string, cause?: unknown): AppError {
  return new AppError('ERR_CALIBRATION_FORMAT', `${name}: ${message}.`, { cause, fix: 'Give the file as the calibration wrote it.' });
}

/** Numbers of a text, or undefined where anything in it is none or isn't finite. */
export function numbersOf(text: string): number[] | undefined {
  const words = text.trim().split(/[\s,;]+/);
  const numbers = words.map((word) => (word === '' ? NaN : Number(word)));
  return numbers.every(Number.isFinite) ? numbers : undefined;
}

/** As many numbers as a key is to have. @throws AppError ERR_CALIBRATION_FORMAT */
export function numbersFor(name: string, key: string, value: unknown, counts: readonly number[]): number[] {
  const numbers = Array.isArray(value) && value.every((item): item is number => Number.isFinite(item)) ? value : undefined;
  if (numbers && counts.includes(numbers.length)) return numbers;
  throw badFormat(name, `expected ${counts.join(' or ')} numbers for ${key} but ${value === undefined ? 'it is missing' : `found ${describe(value)}`}`);
}

/** @throws AppError ERR_CALIBRATION_FORMAT */
export function numberFor(name: string, key: string, value: unknown): number {
  return numbersFor(name, key, [value], [1])[0]!;
}

export type Fields = Readonly<Record<string, unknown>>;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The mapping that a YAML text is. @throws AppError ERR_CALIBRATION_FORMAT */
export function yamlFields(name: string, text: string): Fields {
  let value: unknown;
  try {
    // Tags of OpenCV are unknown to the parser, which only warns of them.
    const document = parseDocument(text, { prettyErrors: false, logLevel: 'silent' });
    const [fault] = document.errors;
    if (fault) throw fault;
    value = document.toJS();
  } catch (cause) {
    throw badFormat(name, `it is no YAML: ${(cause as Error).message}`, cause);
  }
  if (isFields(value)) return value;
  throw badFormat(name, 'expected a YAML mapping');
}

const SHOWN_CHARACTERS = 40;

function describe(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}...` : text;
}
