import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { AppError } from '../core/errors.js';
import { type Fault, faultsOf } from './schema-faults.js';

/** Where a text comes from and how to read its `${NAME}`s. */
export interface YamlSource {
  readonly text: string;
  /** For messages. */
  readonly fileName: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** More faults than this are not read by anybody. */
const MAX_FAULTS = 10;
/** Deeper than anything that a schema of ours describes; an anchor that contains itself has no end. */
const MAX_DEPTH = 64;

/**
 * Reads a YAML text and checks it against a schema.
 *
 * @throws AppError `ERR_CONFIG_SYNTAX`, `ERR_CONFIG_UNKNOWN_KEY`, `ERR_CONFIG_INVALID` or `ERR_CONFIG_ENV_MISSING`; its message has a line
 * for each fault that begins with file, line and column.
 */
export function parseYaml<Schema extends z.ZodType>(source: YamlSource, schema: Schema): z.output<Schema> {
  const file = new YamlFile(source);
  const written = file.toValue();
  const value = substituteEnv(written, file, []);
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  throw configError(faultsOf(checked.error.issues, schema, written), file);
}

type Path = readonly PropertyKey[];

/** A parsed text that knows where everything in it stands. */
class YamlFile {
  readonly env: YamlSource['env'];
  readonly #fileName: string;
  readonly #lines = new LineCounter();
  readonly #document: Document;

  /** @throws AppError `ERR_CONFIG_SYNTAX` */
  constructor({ text, fileName, env }: YamlSource) {
    this.env = env;
    this.#fileName = fileName;
    // Warnings are for us, not for the terminal.
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, logLevel: 'error' });
    // A tag that nobody knows is only a warning of the parser; its value would be taken for a text.
    const fault = this.#document.errors[0] ?? this.#document.warnings[0];
    if (fault) throw this.#syntaxError(fault.pos[0], fault.message);
  }

  /** @throws AppError `ERR_CONFIG_SYNTAX` where an alias leads nowhere, or too far. */
  toValue(): unknown {
    try {
      return this.#document.toJS();
    } catch (error) {
      throw this.#syntaxError(0, (error as Error).message, error);
    }
  }

  /** `file:line:column` of the value at `path`, or of the nearest thing around it. */
  placeOf(path: Path): string {
    for (let length = path.length; length > 0; length -= 1) {
      const node: unknown = this.#document.getIn(path.slice(0, length), true);
      if (isNode(node) && node.range) return this.#place(node.range[0]);
    }
    return this.#place(this.#document.contents?.range?.[0] ?? 0);
  }

  /** `file:line:column` of a key of the mapping at `path`. */
  placeOfKey(path: Path, key: string): string {
    const node: unknown = path.length === 0 ? this.#document.contents : this.#document.getIn(path, true);
    const pair = isMap(node) ? node.items.find((item) => isScalar(item.key) && String(item.key.value) === key) : undefined;
    return isScalar(pair?.key) && pair.key.range ? this.#place(pair.key.range[0]) : this.placeOf(path);
  }

  #place(offset: number): string {
    const { line, col } = this.#lines.linePos(offset);
    // An empty text has no lines.
    return `${this.#fileName}:${Math.max(1, line)}:${Math.max(1, col)}`;
  }

  #syntaxError(offset: number, message: string, cause?: unknown): AppError {
    return new AppError('ERR_CONFIG_SYNTAX', `${this.#place(offset)}: ${message}`, { cause, fix: 'Mend the YAML at that place.' });
  }
}

function substituteEnv(value: unknown, file: YamlFile, path: Path): unknown {
  if (path.length > MAX_DEPTH) {
    throw new AppError('ERR_CONFIG_INVALID', `${file.placeOf(path)}: nested deeper than ${MAX_DEPTH} levels`, { fix: 'Look for an anchor that contains itself.' });
  }
  if (typeof value === 'string') return value.replaceAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => envValue(name, file, path));
  if (Array.isArray(value)) return value.map((item, i) => substituteEnv(item, file, [...path, i]));
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, substituteEnv(inner, file, [...path, key])]));
  }
  return value;
}

function envValue(name: string, file: YamlFile, path: Path): string {
  const found = file.env[name];
  if (found !== undefined) return found;
  throw new AppError('ERR_CONFIG_ENV_MISSING', `${file.placeOf(path)}: the environment has no ${name}`, { fix: `Set it: export ${name}=...` });
}

function configError(faults: readonly Fault[], file: YamlFile): AppError {
  const lines = faults.slice(0, MAX_FAULTS).map((fault) => `${fault.key === undefined ? file.placeOf(fault.path) : file.placeOfKey(fault.path, fault.key)}: ${fault.message}`);
  if (faults.length > MAX_FAULTS) lines.push(`and ${faults.length - MAX_FAULTS} more`);
  const code = faults.some(({ kind }) => kind === 'unknown-key') ? 'ERR_CONFIG_UNKNOWN_KEY' : 'ERR_CONFIG_INVALID';
  return new AppError(code, lines.join('\n'), { fix: faults[0]?.fix ?? '`lynceus schema stream` prints what is allowed.' });
}
