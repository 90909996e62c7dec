import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { AppError, systemErrorCode } from '../../core/errors.js';
import type { Size } from '../../core/size.js';
import { WorkerPool } from '../../inference/worker-pool.js';
import type { Layout } from '../../stereo-scenes/layouts.js';
import type { Recipe } from '../../stereo-scenes/photometry.js';
import { type RigName, RIGS } from '../../stereo-scenes/rigs.js';
import { pairRequest, type StereoSet } from '../../stereo-scenes/stereo-set.js';
import { print, progressBar, textTable } from '../terminal.js';
import { writePreviewSheet } from './preview-sheet.js';
import type { RenderedScene, RenderWorkerData } from './render-worker.js';
import { PAIR_FOLDERS, pictureName } from './write-pair.js';

export interface RenderStereoOptions {
  readonly out: string;
  readonly count: number;
  readonly seed: number;
  readonly rig?: RigName;
  readonly recipe: Recipe | 'mixed';
  readonly heldOut?: true;
  readonly size: Size;
  readonly force?: true;
  readonly json?: true;
}

/** Written last: a folder without it isn't complete. */
const SET_FILE = 'set.json';

/** What `set.json` says of a pair. */
interface PairRecord {
  readonly id: string;
  readonly layout: Layout;
  readonly recipe: Recipe;
  readonly focalPx: number;
  readonly baselineM: number;
  readonly heightM: number;
}

/** Renders a set of stereo pairs by a worker a core. @throws AppError `ERR_USAGE` where the folder isn't empty, `ERR_OUTPUT_WRITE`. */
export async function runRenderStereo(options: RenderStereoOptions): Promise<void> {
  const { out, count, size, seed, recipe } = options;
  const isHeldOut = options.heldOut ?? false;
  const set: StereoSet = { rig: options.rig ?? (isHeldOut ? 'rover' : 'driving'), recipe, isHeldOut, size, seed };
  await makeFolders(out, options.force ?? false);
  const started = performance.now();
  const layouts = await renderAll(out, set, count);
  const seconds = (performance.now() - started) / 1e3;
  await writePreviewSheet(out, count, size);
  const pairs = layouts.map((layout, index) => recordOf(set, index, layout));
  const { rangeM } = RIGS[set.rig];
  await writeFile(join(out, SET_FILE), `${JSON.stringify({ command: commandOf(set, count), ...set, rangeM, count, pairs }, undefined, 1)}\n`);
  const summary = { out, ...set, rangeM, count, seconds, pairsPerMinute: (60 * count) / seconds };
  print(options.json ? JSON.stringify(summary) : tableOf(pairs, summary));
}

async function makeFolders(out: string, isForced: boolean): Promise<void> {
  try {
    await mkdir(out, { recursive: true });
    if (isForced) await Promise.all([...Object.values(PAIR_FOLDERS), SET_FILE].map((name) => rm(join(out, name), { recursive: true, force: true })));
    else if ((await readdir(out)).length > 0) throw new AppError('ERR_USAGE', `Expected ${out} to be a new or an empty folder`, { fix: 'Name another folder, or overwrite its pairs with --force.' });
    for (const name of Object.values(PAIR_FOLDERS)) await mkdir(join(out, name), { recursive: true });
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError('ERR_OUTPUT_WRITE', `${out} can't be written (${systemErrorCode(cause) ?? String(cause)})`, { cause });
  }
}

async function renderAll(folder: string, set: StereoSet, count: number): Promise<Layout[]> {
  const workers = Math.min(count, availableParallelism());
  const pool = await WorkerPool.start<number, RenderedScene>({ script: new URL('./render-worker.js', import.meta.url), size: workers, workerData: { folder, set } satisfies RenderWorkerData, name: 'render' });
  const bar = progressBar('rendering', count);
  let done = 0;
  try {
    const render = async (index: number): Promise<Layout> => {
      const { response } = await pool.run(index);
      bar.update((done += 1), response.layout);
      return response.layout;
    };
    return await Promise.all(Array.from({ length: count }, (_, index) => render(index)));
  } finally {
    bar.stop();
    await pool.close();
  }
}

function recordOf(set: StereoSet, index: number, layout: Layout): PairRecord {
  const { rig, recipe, heightM } = pairRequest(set, index);
  return { id: pictureName(index), layout, recipe, focalPx: rig.focalPx, baselineM: rig.baselineM, heightM };
}

/** What makes the same files anywhere. */
function commandOf({ rig, recipe, isHeldOut, size, seed }: StereoSet, count: number): string {
  return `lynceus render-stereo --out <folder> --count ${count} --seed ${seed} --rig ${rig} --recipe ${recipe}${isHeldOut ? ' --held-out' : ''} --size ${size.width}x${size.height}`;
}

function tableOf(pairs: readonly PairRecord[], { out, rig, count, seconds, pairsPerMinute }: { out: string; rig: RigName; count: number; seconds: number; pairsPerMinute: number }): string {
  const layouts = [...new Set(pairs.map(({ layout }) => layout))].sort();
  const recipes = [...new Set(pairs.map(({ recipe }) => recipe))].sort();
  const rows = layouts.map((layout) => [layout, ...recipes.map((recipe) => String(pairs.filter((pair) => pair.layout === layout && pair.recipe === recipe).length))]);
  return `${textTable(['layout', ...recipes], rows)}\n\n${count} pairs of the rig ${rig} in ${out}: ${seconds.toFixed(1)} s, ${pairsPerMinute.toFixed(0)} a minute. Look at ${join(out, 'preview.png')}.`;
}
