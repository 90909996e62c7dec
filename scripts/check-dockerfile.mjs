#!/usr/bin/env node
// Checks the Dockerfile on a machine without Docker.
//
//   node scripts/check-dockerfile.mjs --lint            rules only; a second, nothing needed
//   node scripts/check-dockerfile.mjs                   the rules, then all steps in clean roots, then the program and its health check
//   node scripts/check-dockerfile.mjs --until build     the same up to the end of a stage
//
// Running the steps needs root, debootstrap and Debian's archive; about 3 GB in --work (the system's temporary folder by default).
// Further options: --file Dockerfile, --context FOLDER (the repository by default).
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { addedBytes, build, tryProgram } from './dockerfile/build.mjs';
import { missingTools } from './dockerfile/clean-root.mjs';
import { parseDockerfile } from './dockerfile/parse.mjs';
import { lint, RULES } from './dockerfile/rules.mjs';

const { values: options } = parseArgs({
  options: { lint: { type: 'boolean' }, until: { type: 'string' }, file: { type: 'string' }, context: { type: 'string' }, work: { type: 'string' } },
});
const context = options.context ?? fileURLToPath(new URL('..', import.meta.url));
const file = options.file ?? join(context, 'Dockerfile');
const work = options.work ?? join(tmpdir(), 'lynceus-dockerfile');
const say = (text) => process.stdout.write(`${text}\n`);

try {
  process.exitCode = await main();
} catch (error) {
  say(`failed: ${error.message}`);
  process.exitCode = 1;
}

async function main() {
  const dockerfile = parseDockerfile(readFileSync(file, 'utf8'));
  const breaches = lint(dockerfile, context);
  for (const { rule, line, message } of breaches) say(`${file}:${line}: ${message} (${rule})`);
  const counts = `${dockerfile.stages.length} stages, ${dockerfile.instructions.length} instructions, ${Object.keys(RULES).length} rules`;
  say(`${counts}, ${breaches.length} breaches`);
  if (breaches.length > 0 || dockerfile.instructions.length === 0) return 1;
  return options.lint ? 0 : runSteps(dockerfile);
}

async function runSteps(dockerfile) {
  const missing = missingTools();
  if (missing.length > 0) throw new Error(`running the steps needs ${missing.join(', ')}`);
  const { image, notRun } = build(dockerfile, { work, context, until: options.until, say: (text) => say(`\n=== ${text}`) });
  const suite = /-(\w+)-slim$/.exec(dockerfile.stages.at(-1).base)?.[1];
  const addedMb = Math.round(addedBytes(image.guest.root, join(work, `base-${suite}-${process.version}`, 'fs')) / 1e6);
  const ran = [`${options.until ? `the steps up to the end of stage ${options.until}` : 'all steps'}; the file system grew by ${addedMb} MB over the base`];
  if (options.until) {
    notRun.push('the later stages, the program, its health check');
  } else {
    say('\n=== the program, without a network');
    await tryProgram(image, (text) => {
      say(text);
      ran.push(text);
    });
  }
  say(`\nRun:\n${list(ran)}\nNot run:\n${list([...notRun, 'layers, their cache, push and pull, other platforms than this one'])}`);
  return 0;
}

function list(lines) {
  return lines.map((line) => `- ${line}`).join('\n');
}
