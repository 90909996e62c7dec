// The build context: what .dockerignore leaves of the repository.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** @returns a predicate on paths relative to the context, with forward slashes: whether Docker would send them. */
export function contextFilter(context) {
  const file = join(context, '.dockerignore');
  const rules = existsSync(file) ? parseRules(readFileSync(file, 'utf8')) : [];
  // The last rule that matches the path, or a folder above it, wins.
  return (path) => !rules.reduce((ignored, { pattern, keep }) => (pattern.test(path) ? !keep : ignored), false);
}

function parseRules(text) {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ keep: line.startsWith('!'), pattern: patternOf(line.replace(/^!/, '').replace(/^\/|\/$/g, '')) }));
}

function patternOf(glob) {
  const body = glob
    .split('/')
    .map((part) => (part === '**' ? '.*' : part.replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '[^/]*').replace(/\?/g, '[^/]')))
    .join('/')
    .replace(/^\.\*\//, '(?:.*/)?');
  return new RegExp(`^${body}(?:/.*)?$`);
}

/** Files below `path` of the context that Docker would send; empty where there are none. */
export function contextFiles(context, path, isSent) {
  const walk = (folder) =>
    readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const full = join(folder, entry.name);
      return entry.isDirectory() ? walk(full) : [relative(context, full)];
    });
  const full = join(context, path);
  if (!existsSync(full)) return [];
  const isFolder = readdirOrUndefined(full) !== undefined;
  return (isFolder ? walk(full) : [relative(context, full)]).filter((file) => isSent(file));
}

function readdirOrUndefined(path) {
  try {
    return readdirSync(path);
  } catch {
    return undefined;
  }
}
