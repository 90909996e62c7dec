// What the guard costs on a frame where it finds nothing to verify: the tap, the patch finder where the profile has it, the search, a fill, and all of the first pass against the
// detector alone. Everything by turns on every picture, so that what else the machine does meets all of them alike.
//
//   node scripts/bench-guard.mjs --model ID <folder of pictures | video> [--profile guard.json] [--search both] [--runs 300] [--threads 1,2] [--json]
//
// Needs `npm run build`. Where the model has no clean profile, or with --search, one is learnt from the pictures. Nothing passes or fails here.
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chooseSearch, DEFAULT_SEARCH, learnProfile } from '../dist/cli/guard/learn-profile.js';
import { machine } from '../dist/cli/bench/machine.js';
import { openStore } from '../dist/cli/models.js';
import { anyPictures } from '../dist/cli/picture-sets.js';
import { textTable } from '../dist/cli/terminal.js';
import { loadDetector } from '../dist/detector/detector-session.js';
import { fillRegions } from '../dist/guard/fill.js';
import { PassRunner } from '../dist/guard/pass-runner.js';
import { PatchFinder } from '../dist/guard/search/patch-finder.js';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { model: { type: 'string', default: 'centernet-coco' }, profile: { type: 'string' }, search: { type: 'string' }, runs: { type: 'string', default: '300' }, threads: { type: 'string', default: '1,2' }, json: { type: 'boolean', default: false } },
});
const [source] = positionals;
if (!source) {
  console.error('usage: node scripts/bench-guard.mjs --model ID <folder of pictures | video> [--profile guard.json] [--search both] [--runs 300] [--threads 1,2] [--json]');
  process.exit(2);
}
const WARMUP_RUNS = 10;
const MOST_PICTURES = 100;
const runs = Number(options.runs);

const store = openStore();
const { model, learnt } = await guardedModel();
const { manifest } = model;
const { width, height, fit, padValue } = manifest.input;
const pictures = [];
for await (const picture of (await anyPictures(source, MOST_PICTURES)).read({ size: { width, height }, fit, padValue })) pictures.push(picture);
const thresholds = { ...manifest.defaults, maxDetections: 100 };

const results = [];
for (const threads of options.threads.split(',').map(Number)) results.push(await measure(threads));
const report = { model: manifest.id, pictures: pictures.length, runs, search: model.profile.search, profile: learnt ? 'learnt from the pictures' : (options.profile ?? 'of the model'), results, machine: machine() };
if (options.json) console.log(JSON.stringify(report, null, 2));
else {
  const rows = results.flatMap(({ threads, ...parts }) => Object.entries(parts).map(([name, figures]) => [`${threads}`, name.replaceAll('_', ' '), ...(typeof figures === 'number' ? ['', figures.toFixed(3), '', ''] : [figures.p10, figures.median, figures.p90, figures.p99].map((value) => value.toFixed(3)))]));
  console.log(`${manifest.id}, ${pictures.length} pictures, n = ${runs}, profile ${report.profile}, search by ${report.search}\n`);
  console.log(textTable(['threads', 'ms', 'p10', 'median', 'p90', 'p99'], rows));
}

async function guardedModel() {
  try {
    if (!options.search) return { model: await store.resolveGuarded(options.model, options.profile), learnt: false };
  } catch (error) {
    if (error.code !== 'ERR_GUARD_PROFILE_MISSING') throw error;
  }
  const tapped = await store.resolveTapped(options.model);
  const profile = await learnProfile(tapped, await chooseSearch(store, options.search ?? DEFAULT_SEARCH), { pictures: await anyPictures(source, MOST_PICTURES), threads: 2 });
  const path = join(tmpdir(), `bench-guard-${process.pid}.json`);
  await writeFile(path, JSON.stringify(profile));
  return { model: await store.resolveGuarded(options.model, path), learnt: true };
}

async function measure(threads) {
  const plain = await loadDetector({ manifest, modelPath: model.preparedPath, threads });
  const tapped = await loadDetector({ manifest, modelPath: model.tappedPath, threads });
  const { tap, profile } = model;
  const finder = model.finder && (await PatchFinder.load({ modelPath: model.finder.path, threads }, manifest.input));
  const runner = new PassRunner(tapped, { manifest, tap, profile, thresholds }, finder);
  // A quarter of the picture's side: a large patch on a near person.
  const side = Math.round(Math.min(width, height) / 4);
  const region = { left: (width - side) >> 1, top: (height - side) >> 1, right: (width + side) >> 1, bottom: (height + side) >> 1 };
  const times = { session_without_tap: [], session_with_tap: [], detector: [], guarded_first_pass: [], ...(finder && { finder: [] }), search: [], fill: [], added: [] };
  let candidates = 0;

  const turns = [
    async (picture) => ({ session_without_tap: await timed(() => plain.session.run(picture.pixels)) }),
    async (picture) => ({ session_with_tap: await timed(() => tapped.session.run(picture.pixels)) }),
    async (picture) => ({ detector: await timed(() => detect(plain, picture)) }),
    async ({ pixels, fit: pictureFit, sourceSize }) => {
      let response;
      const guarded_first_pass = await timed(async () => (response = await runner.run({ pixels, fit: pictureFit, sourceSize, fills: [], search: true })));
      candidates += response.candidates.length > 0 ? 1 : 0;
      const { suppressedMs, finderEndedMs = suppressedMs, endedMs } = response;
      return { guarded_first_pass, ...(finder && { finder: finderEndedMs - suppressedMs }), search: endedMs - finderEndedMs };
    },
    async ({ pixels }) => {
      const copy = pixels.slice();
      return { fill: await timed(() => fillRegions(copy, { width, height }, [region])) };
    },
  ];
  for (let run = -WARMUP_RUNS; run < runs; run += 1) {
    const picture = pictures[(run + WARMUP_RUNS) % pictures.length];
    const measured = {};
    if (run === 0) candidates = 0;
    for (const turn of run % 2 === 0 ? turns : turns.toReversed()) Object.assign(measured, await turn(picture));
    if (run < 0) continue;
    measured.added = measured.guarded_first_pass - measured.detector;
    for (const [name, value] of Object.entries(measured)) times[name].push(value);
  }
  await plain.session.release();
  await tapped.session.release();
  await finder?.release();
  const figures = Object.fromEntries(Object.entries(times).map(([name, values]) => [name, { p10: quantile(values, 0.1), median: quantile(values, 0.5), p90: quantile(values, 0.9), p99: quantile(values, 0.99) }]));
  const share = (100 * figures.added.median) / figures.detector.median;
  return { threads, ...figures, added_of_detector_percent: Number(share.toFixed(2)), pictures_with_candidates_percent: Number(((100 * candidates) / runs).toFixed(2)) };
}

async function detect({ session, decoder }, { pixels, fit: pictureFit, sourceSize }) {
  const outputs = await session.run(pixels);
  decoder.scan(outputs, thresholds);
  return decoder.select(thresholds, pictureFit, sourceSize);
}

async function timed(work) {
  const startMs = performance.now();
  await work();
  return performance.now() - startMs;
}

function quantile(values, share) {
  return values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))];
}
