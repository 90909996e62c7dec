import { AppError } from '../../core/errors.js';

/** One `[section]` of a Darknet configuration, with readers that say what they expected. */
export class CfgSection {
  readonly kind: string;
  /** Line of its header, from 1. */
  readonly line: number;
  readonly #values: ReadonlyMap<string, string>;

  constructor(kind: string, line: number, values: ReadonlyMap<string, string>) {
    this.kind = kind;
    this.line = line;
    this.#values = values;
  }

  has(key: string): boolean {
    return this.#values.has(key);
  }

  text(key: string, otherwise: string): string {
    return this.#values.get(key) ?? otherwise;
  }

  number(key: string, otherwise: number): number {
    return this.numbers(key)[0] ?? otherwise;
  }

  int(key: string, otherwise: number): number {
    const value = this.number(key, otherwise);
    if (!Number.isInteger(value)) throw this.#invalid(key, 'a whole number');
    return value;
  }

  /** A whole number of at least 1 that must be there where `otherwise` is not given. */
  positiveInt(key: string, otherwise = 0): number {
    const value = this.int(key, otherwise);
    if (value < 1) throw this.#invalid(key, 'a whole number of at least 1');
    return value;
  }

  /** A comma-separated list; empty where the key is absent. */
  numbers(key: string): number[] {
    const parts = (this.#values.get(key) ?? '').split(',').map((part) => part.trim());
    const values = parts.filter((part) => part !== '').map(Number);
    if (values.some(Number.isNaN)) throw this.#invalid(key, 'numbers');
    return values;
  }

  /** Where the section is, for messages. */
  get place(): string {
    return `[${this.kind}] of line ${this.line}`;
  }

  #invalid(key: string, expected: string): AppError {
    return new AppError('ERR_MODEL_IMPORT', `Expected ${expected} for ${key} in ${this.place} but found ${this.#values.get(key) ?? 'nothing'}`, {
      fix: 'Check the .cfg file.',
    });
  }
}

/**
 * Splits a Darknet `.cfg` into its sections, `[net]` first.
 *
 * @throws AppError ERR_MODEL_IMPORT with the line, where the text is no such file.
 */
export function parseCfg(text: string): CfgSection[] {
  const sections: CfgSection[] = [];
  let values: Map<string, string> | undefined;
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.replace(/[#;].*$/, '').trim();
    if (line === '') continue;
    const header = /^\[(\w+)\]$/.exec(line);
    if (header) {
      values = new Map();
      sections.push(new CfgSection(header[1]!, index + 1, values));
      continue;
    }
    const [key, value] = splitOnce(line);
    if (!values || value === undefined) throw invalidLine(index + 1, line);
    values.set(key, value);
  }
  const first = sections[0]?.kind;
  if (first !== 'net' && first !== 'network') throw new AppError('ERR_MODEL_IMPORT', 'A Darknet .cfg begins with [net]', { fix: 'Name the .cfg file that belongs to the weights.' });
  return sections;
}

function splitOnce(line: string): [string, string | undefined] {
  const at = line.indexOf('=');
  return at < 0 ? [line, undefined] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
}

function invalidLine(line: number, text: string): AppError {
  return new AppError('ERR_MODEL_IMPORT', `Line ${line} of the .cfg is neither a [section] nor key=value: ${text.slice(0, 60)}`, { fix: 'Name the .cfg file that belongs to the weights.' });
}
