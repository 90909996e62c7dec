import { InvalidArgumentError } from 'commander';
import { durationMs } from '../core/duration.js';
import type { Size } from '../core/size.js';

/** `10s`, `500ms`, `5m`, `2h`; a bare number counts seconds. */
export function parseDurationMs(text: string): number {
  const parsed = durationMs(text);
  if (parsed === undefined) throw new InvalidArgumentError('Expected a duration such as 10s, 5m or 2h.');
  return parsed;
}

/** As `parseDurationMs`, in seconds. */
export function parseSeconds(text: string): number {
  return parseDurationMs(text) / 1e3;
}

/** A whole number, 0 or more. */
export function parseInteger(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('Expected a whole number.');
  return Number(text);
}

/** A number above 0. */
export function parsePositive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Infinity)) throw new InvalidArgumentError('Expected a number above 0.');
  return value;
}

/** A number from 0 to 1. */
export function parseFraction(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1)) throw new InvalidArgumentError('Expected a number from 0 to 1.');
  return value;
}

/** `640` or `640x384`, pixels. */
export function parseSize(text: string): Size {
  const match = /^(\d+)(?:x(\d+))?$/i.exec(text);
  if (!match) throw new InvalidArgumentError('Expected a size such as 640 or 640x384.');
  const width = parseInteger(match[1]!);
  return { width, height: match[2] ? parseInteger(match[2]) : width };
}

/** `person,car`: at least one name. */
export function parseNames(text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim()).filter(Boolean);
  if (names.length === 0) throw new InvalidArgumentError('Expected a label.');
  return names;
}
