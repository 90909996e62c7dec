import { z } from 'zod';

type JsonSchema = z.core.JSONSchema.BaseSchema;

/**
 * Keys that a schema allows for the object at `path` of `value`. Of alternatives that a constant tells apart (`kind`), only those count
 * that go with the value. Empty where the schema allows any key.
 */
export function knownKeys(schema: z.ZodType, path: readonly PropertyKey[], value: unknown): string[] {
  let schemas = alternatives(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }), value);
  let inner = value;
  for (const key of path) {
    inner = childOf(inner, key);
    schemas = schemas.flatMap((outer) => schemaOf(outer, key)).flatMap((child) => alternatives(child, inner));
  }
  return [...new Set(schemas.flatMap(({ properties = {} }) => Object.keys(properties)))];
}

/** What is at `key` of a list or a mapping; undefined where nothing is. */
export function childOf(value: unknown, key: PropertyKey): unknown {
  return value !== null && typeof value === 'object' && Object.hasOwn(value, key) ? (value as Record<PropertyKey, unknown>)[key] : undefined;
}

function schemaOf({ items, properties = {} }: JsonSchema, key: PropertyKey): JsonSchema[] {
  const schema = typeof key === 'number' ? items : properties[String(key)];
  return typeof schema === 'object' && !Array.isArray(schema) ? [schema] : [];
}

function alternatives(schema: JsonSchema, value: unknown): JsonSchema[] {
  const choices = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])].filter((choice) => typeof choice === 'object');
  if (choices.length === 0) return [schema];
  return choices.filter((choice) => goesWith(choice, value)).flatMap((choice) => alternatives(choice, value));
}

function goesWith({ properties = {} }: JsonSchema, value: unknown): boolean {
  return Object.entries(properties).every(([key, property]) => typeof property === 'boolean' || property.const === undefined || property.const === childOf(value, key));
}
