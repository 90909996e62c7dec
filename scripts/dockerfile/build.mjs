// Runs the steps of a Dockerfile in clean roots, and then the program that it ends with.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { cloneRoot, copyInto, execBeside, firstProcess, makeBase, processTree, runInRoot, startInRoot } from './clean-root.mjs';
import { contextFilter } from './context.mjs';
import { parseCopy, parsePairs } from './parse.mjs';

const WITHIN_MS = 180_000;

/**
 * Runs stage after stage. @returns the last one: its guest, command, health check, and what was and wasn't run.
 * @param {{ work: string, context: string, until?: string, say: (text: string) => void }} options
 */
export function build({ stages }, { work, context, until, say }) {
  const isSent = contextFilter(context);
  const sentFrom = (path) => isSent(relative(context, path)) || statSync(path).isDirectory();
  const built = new Map();
  const notRun = [];
  let image;
  for (const [index, stage] of stages.entries()) {
    image = startStage(stage, index);
    for (const instruction of stage.instructions) {
      say(`${instruction.name} ${instruction.text}`);
      runInstruction(image, instruction);
    }
    if (stage.name) built.set(stage.name, image);
    if (stage.name === until) break;
  }
  return { image, notRun: [...new Set(notRun)] };

  function startStage({ base, line }, index) {
    const root = join(work, `stage-${index}`);
    const earlier = built.get(base);
    if (earlier) {
      cloneRoot(earlier.guest.root, root);
      return { ...structuredClone(earlier), guest: { ...earlier.guest, root } };
    }
    const match = /^node:(\d+\.\d+\.\d+)-(\w+)-slim$/.exec(base);
    if (!match) throw new Error(`line ${line}: only node:VERSION-SUITE-slim can be rebuilt here, not ${base}`);
    const [, version, suite] = match;
    say(`FROM ${base}: Debian ${suite} by debootstrap, Node ${process.version} of this machine`);
    notRun.push(`the image ${base} itself: Debian ${suite} was made by debootstrap instead, with this machine's Node ${process.version}`);
    if (process.version !== `v${version}`) notRun.push(`Node ${version}: this machine has ${process.version}`);
    const baseRoot = join(work, `base-${suite}-${process.version}`);
    makeBase(baseRoot, suite);
    cloneRoot(join(baseRoot, 'fs'), root);
    return { guest: { root, user: '0:0', workdir: '/', env: {} }, entrypoint: [], command: [], healthcheck: undefined };
  }

  function runInstruction(image, instruction) {
    const { name, text, flags, json, line } = instruction;
    const { guest } = image;
    switch (name) {
      case 'RUN':
        return runInRoot(guest, json ? json.join(' ') : text);
      case 'COPY':
        return copy(guest, instruction);
      case 'ENV':
        return void Object.assign(guest.env, Object.fromEntries(parsePairs(text)));
      case 'WORKDIR':
        guest.workdir = text.startsWith('/') ? text : join(guest.workdir, text);
        return void mkdirSync(join(guest.root, guest.workdir), { recursive: true });
      case 'USER':
        guest.user = text.includes(':') ? text : `${text}:${text}`;
        return undefined;
      case 'ENTRYPOINT':
        image.entrypoint = json;
        return undefined;
      case 'CMD':
        image.command = json;
        return undefined;
      case 'HEALTHCHECK':
        image.healthcheck = { command: JSON.parse(text.replace(/^CMD\s+/, '')), timeoutMs: 1000 * Number.parseInt(flags.timeout ?? '30', 10) };
        notRun.push(`the schedule of HEALTHCHECK (${Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`).join(' ')}): its command was run each second`);
        return undefined;
      case 'VOLUME':
      case 'EXPOSE':
        notRun.push(`${name} ${text}: a matter of the engine`);
        return undefined;
      default:
        throw new Error(`line ${line}: ${name} isn't known to this script`);
    }
  }

  function copy(guest, instruction) {
    const { sources, target } = parseCopy(instruction);
    const from = instruction.flags.from;
    const origin = from === undefined ? context : built.get(from).guest.root;
    const found = sources.map((source) => {
      const path = join(origin, source);
      if (!existsSync(path)) throw new Error(`line ${instruction.line}: ${source} doesn't exist`);
      return { path, isFolder: statSync(path).isDirectory() };
    });
    copyInto(guest.root, found, target, guest.workdir, from === undefined ? sentFrom : () => true);
  }
}

/** Bytes that the image has over its base. */
export function addedBytes(root, baseRoot) {
  const bytes = (path) => Number(execFileSync('du', ['-sb', path], { encoding: 'utf8' }).split('\t')[0]);
  return bytes(root) - bytes(baseRoot);
}

/** Starts the program without a network, waits until it's healthy, and stops it with SIGTERM as an engine does. Throws where one of it fails. */
export async function tryProgram({ guest, entrypoint, command, healthcheck }, say) {
  const holder = startInRoot(guest, [...entrypoint, ...command]);
  let output = '';
  for (const stream of [holder.stdout, holder.stderr]) stream.on('data', (chunk) => (output += chunk));
  const ended = new Promise((resolve) => holder.once('close', (code, signal) => resolve(code ?? signal)));
  try {
    say(`healthy after ${await secondsUntil(holder, guest, healthcheck)} s`);
    // Health is that it answers; readiness that its models are loaded and pictures come.
    const readiness = { ...healthcheck, command: healthcheck.command.map((word) => word.replace('/healthz', '/readyz')) };
    say(`ready ${await secondsUntil(holder, guest, readiness)} s later: ffmpeg decodes, the detector is loaded`);
    const first = firstProcess(holder.pid);
    const processes = processTree(first);
    say(`processes: ${processes.map(({ name, uid }) => `${name} (uid ${uid})`).join(', ')}`);
    if (processes.some(({ uid }) => uid === 0)) throw new Error('a process of the program runs as root');
    const stoppedAt = performance.now();
    process.kill(first, 'SIGTERM');
    const status = await Promise.race([ended, delay(10_000, 'timeout', { ref: false })]);
    if (status !== 0) throw new Error(`expected exit status 0 within 10 s after SIGTERM but found ${status}`);
    say(`stopped by SIGTERM with status 0 after ${Math.round(performance.now() - stoppedAt)} ms`);
  } catch (error) {
    error.message += `\n--- output of the program\n${output.slice(-4000)}`;
    throw error;
  } finally {
    holder.kill('SIGKILL');
  }
}

/** Runs a check each second until it succeeds. @returns how many seconds that took. */
async function secondsUntil(holder, guest, { command, timeoutMs }) {
  const startedAt = performance.now();
  while (performance.now() - startedAt < WITHIN_MS) {
    if (execBeside(holder.pid, guest, command, timeoutMs) === 0) return Math.round((performance.now() - startedAt) / 1000);
    if (holder.exitCode !== null) throw new Error(`the program ended with status ${holder.exitCode} before ${command.join(' ')} succeeded`);
    await delay(1000);
  }
  throw new Error(`${command.join(' ')} failed for ${WITHIN_MS / 1000} s`);
}
