import type { z } from 'zod';
import type { StageDefinition } from '../config/stream-definition.js';
import { AppError } from '../core/errors.js';

/** The options of a stage, checked, with defaults filled in. @throws AppError `ERR_CONFIG_UNKNOWN_KEY`, `ERR_CONFIG_INVALID` */
export function parseOptions<Schema extends z.ZodObject>({ id, kind, options = {} }: StageDefinition, schema: Schema): z.output<Schema> {
  const checked = schema.safeParse(options);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0]!;
  const where = [`stage '${id}'`, ...issue.path.map(String)].join(', ');
  const code = issue.code === 'unrecognized_keys' ? 'ERR_CONFIG_UNKNOWN_KEY' : 'ERR_CONFIG_INVALID';
  throw new AppError(code, `${where}: ${issue.message}`, { fix: `Options of ${kind}: ${Object.keys(schema.shape).join(', ')}.` });
}
