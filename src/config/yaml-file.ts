import { isNode, LineCounter, parseDocument, type Document } from 'yaml';
import type { z } from 'zod';
import { AppError } from '../core/errors.js';

/** Where a text comes from and how to read its `${NAME}`s. */
export interface YamlSource {
  readonly text: string;
  /** For messages. */
  readonly fileName: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Reads a YAML text and checks it against a schema.
 *
 * @throws AppError `ERR_CONFIG_SYNTAX`, `ERR_CONFIG_UNKNOWN_KEY`, `ERR_CONFIG_INVALID` or `ERR_CONFIG_ENV_MISSING`, naming file, line and column.
 */
export function parseYaml<Schema extends z.ZodType>(source: YamlSource, schema: Schema): z.output<Schema> {
  const lines = new LineCounter();
  const document = parseDocument(source.text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${source.fileName}:${line}:${col}`;
  };
  const syntax = document.errors[0];
  if (syntax) throw new AppError('ERR_CONFIG_SYNTAX', `${at(syntax.pos[0])}: ${syntax.message}`, { fix: 'Mend the YAML at that place.' });

  const value = substituteEnv(document.toJS(), source, (path) => at(offsetOf(document, path)));
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  throw configError(checked.error.issues[0]!, document, at, value);
}

function configError(issue: z.core.$ZodIssue, document: Document, at: (offset: number) => string, value: unknown): AppError {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0]!;
    const place = at(offsetOf(document, [...path, key]));
    return new AppError('ERR_CONFIG_UNKNOWN_KEY', `${place}: unknown key '${key}'${path.length ? ` in ${path.join('.')}` : ''}`, {
      fix: 'Remove it, or look for a misspelling: `lynceus schema stream` prints what is allowed.',
    });
  }
  const place = at(offsetOf(document, path));
  const found = path.reduce<unknown>((inner, key) => (inner as Record<string, unknown> | undefined)?.[key], value);
  return new AppError('ERR_CONFIG_INVALID', `${place}: ${path.join('.') || 'the file'}: ${issue.message}${found === undefined ? ' (it is missing)' : `, received ${JSON.stringify(found)}`}`, {
    fix: '`lynceus schema stream` prints what is allowed.',
  });
}

/** Offset of the value at `path`, or of the nearest thing around it that exists. */
function offsetOf(document: Document, path: readonly string[]): number {
  for (let length = path.length; length >= 0; length -= 1) {
    const keys = path.slice(0, length).map((key) => (/^\d+$/.test(key) ? Number(key) : key));
    const node: unknown = length === 0 ? document.contents : document.getIn(keys, true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return 0;
}

function substituteEnv(value: unknown, source: YamlSource, place: (path: string[]) => string, path: string[] = []): unknown {
  if (typeof value === 'string') {
    return value.replaceAll(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => {
      const found = source.env[name];
      if (found === undefined) {
        throw new AppError('ERR_CONFIG_ENV_MISSING', `${place(path)}: the environment has no ${name}`, { fix: `Set it: export ${name}=...` });
      }
      return found;
    });
  }
  if (Array.isArray(value)) return value.map((item, i) => substituteEnv(item, source, place, [...path, String(i)]));
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, substituteEnv(inner, source, place, [...path, key])]));
  }
  return value;
}
