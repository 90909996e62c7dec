import { constants } from 'node:fs';
import { access, mkdir, statfs } from 'node:fs/promises';
import { availableParallelism, freemem } from 'node:os';
import type { Command } from 'commander';
import { toAppError } from '../../core/errors.js';
import { findFfmpeg } from '../../sources/ffmpeg.js';
import { storePaths } from '../../model-store/store-paths.js';
import { openStore } from '../models.js';
import { bold, dim, green, print, red, textTable, yellow } from '../terminal.js';
import { DEFAULT_MODEL } from '../definitions.js';
import { VERSION } from '../version.js';

type Verdict = 'ok' | 'warning' | 'missing';

interface Finding {
  readonly what: string;
  readonly verdict: Verdict;
  readonly found: string;
  /** How to get it, or what it costs to be without. */
  readonly advice?: string;
}

const OLDEST_NODE = 20;
const LOW_SPACE_BYTES = 500 * 2 ** 20;

export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('Tell what is installed, what is missing, and how to get it.')
    .option('--json', 'print JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const findings = [node(), ffmpeg(), ...(await models()), ...(await disk()), cores()];
      if (json) print(JSON.stringify({ version: VERSION, findings }, null, 2));
      else print(forPeople(findings));
      if (findings.some(({ verdict }) => verdict === 'missing')) process.exitCode = 1;
    });
}

function forPeople(findings: readonly Finding[]): string {
  const rows = findings.map(({ what, verdict, found }) => [verdict, what, found]);
  const lines = textTable(['', 'what', 'found'], rows).split('\n').slice(2);
  const colour = { ok: green, warning: yellow, missing: red };
  const marked = findings.map(({ verdict, advice }, i) => `${colour[verdict](lines[i])}${advice ? `\n         ${dim(advice)}` : ''}`);
  const missing = findings.filter(({ verdict }) => verdict === 'missing').length;
  return [bold(`lynceus ${VERSION}`), ...marked, '', missing === 0 ? 'Ready to run: lynceus run demo' : `${missing} missing.`].join('\n');
}

function node(): Finding {
  const major = Number(process.versions.node.split('.')[0]);
  return major >= OLDEST_NODE
    ? { what: 'Node', verdict: 'ok', found: process.version }
    : { what: 'Node', verdict: 'missing', found: process.version, advice: `Node ${OLDEST_NODE} or newer is needed.` };
}

function ffmpeg(): Finding {
  try {
    const { ffmpegPath, version, packaged } = findFfmpeg();
    return packaged
      ? { what: 'ffmpeg', verdict: 'warning', found: `${version} (packaged, of 2018)`, advice: 'It works. A current one is faster and safer: apt-get install ffmpeg, or set LYNCEUS_FFMPEG.' }
      : { what: 'ffmpeg', verdict: 'ok', found: `${version} at ${ffmpegPath}` };
  } catch (error) {
    const { message, fix } = toAppError(error);
    return { what: 'ffmpeg', verdict: 'missing', found: message, ...(fix ? { advice: fix } : {}) };
  }
}

async function models(): Promise<Finding[]> {
  const store = openStore();
  const installed = (await store.list()).filter(({ status }) => status === 'included' || status === 'added');
  const list: Finding = { what: 'models', verdict: installed.length > 0 ? 'ok' : 'missing', found: installed.map(({ id }) => id).join(', ') || 'none' };
  try {
    const { manifest } = await store.resolve(DEFAULT_MODEL);
    return [list, { what: 'default model', verdict: 'ok', found: `${manifest.id}: ${manifest.title}` }];
  } catch (error) {
    const { code, message, fix } = toAppError(error);
    return [list, { what: 'default model', verdict: 'missing', found: `${code}: ${message}`, ...(fix ? { advice: fix } : {}) }];
  }
}

async function disk(): Promise<Finding[]> {
  const folder = storePaths().models;
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
    const { bavail, bsize } = await statfs(folder);
    const free = bavail * bsize;
    const found = `${(free / 2 ** 30).toFixed(1)} GiB free at ${folder}`;
    return [free > LOW_SPACE_BYTES ? { what: 'model folder', verdict: 'ok', found } : { what: 'model folder', verdict: 'warning', found, advice: 'Models need room: free some, or set LYNCEUS_HOME.' }];
  } catch (error) {
    return [{ what: 'model folder', verdict: 'missing', found: `${folder}: ${toAppError(error).message}`, advice: 'Make it writable, or set LYNCEUS_HOME to a folder that is.' }];
  }
}

function cores(): Finding {
  const count = availableParallelism();
  const found = `${count} cores, ${(freemem() / 2 ** 30).toFixed(1)} GiB of memory free`;
  return count > 1 ? { what: 'machine', verdict: 'ok', found } : { what: 'machine', verdict: 'warning', found, advice: 'Decoding and inference share one core: expect half the frame rate.' };
}
