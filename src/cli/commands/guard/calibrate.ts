import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { type Command, Option } from 'commander';
import type { StreamDefinition } from '../../../config/stream-definition.js';
import { AppError } from '../../../core/errors.js';
import { type SearchKind, SEARCH_KINDS } from '../../../guard/profile.js';
import { PROFILE_REPORT_FILE } from '../../../model-store/guard-profiles.js';
import { parseDurationMs, parseInteger } from '../../arguments.js';
import { machine } from '../../bench/machine.js';
import { DEFAULT_MODEL, definitionOf } from '../../definitions.js';
import { calibrationPictures } from '../../guard/calibration-pictures.js';
import { checkProfile, chooseSearch, DEFAULT_SEARCH, learnProfile } from '../../guard/learn-profile.js';
import { checkFigures, checkRows, EVIDENCE_HEADER, evidenceRows, profileJson, thresholdRows } from '../../guard/profile-figures.js';
import { profileReport } from '../../guard/profile-report.js';
import { openStore } from '../../models.js';
import { bold, green, PhaseBars, print, say, textTable } from '../../terminal.js';

const DEFAULT_LIMIT = 300;
const DEFAULT_DURATION_MS = 60_000;

interface CalibrateOptions {
  model?: string;
  search: SearchKind;
  limit: number;
  duration?: number;
  threads: number;
  seed: number;
  transport?: 'tcp' | 'udp';
  json?: boolean;
}

export function addCalibrate(guard: Command): void {
  guard
    .command('calibrate')
    .description('Learn what is ordinary for a model from pictures without patches: every threshold of the guard is relative to it.')
    .argument('<source>', 'a dataset folder, a video, a camera, or a stream definition: best what the model will watch')
    .option('--model <id>', `model id or path (default: the definition's, else ${DEFAULT_MODEL})`)
    .addOption(new Option('--search <kind>', 'what shows where to look: evidence of features and pixels, the trained patch finder, or both').choices(SEARCH_KINDS).default(DEFAULT_SEARCH))
    .option('--limit <count>', 'pictures at most, from all over the source', parseInteger, DEFAULT_LIMIT)
    .option('--duration <time>', 'how long a camera is watched (default: 60s)', parseDurationMs)
    .option('--threads <count>', 'threads of inference', parseInteger, availableParallelism())
    .option('--seed <number>', 'of what is pasted into the pictures', parseInteger, 1)
    .option('--transport <tcp|udp>', 'RTSP transport')
    .option('--json', 'print JSON')
    .action(calibrate);
}

async function calibrate(input: string, { model, search, limit, duration = DEFAULT_DURATION_MS, threads, seed, transport, json }: CalibrateOptions): Promise<void> {
  if (limit < 1 || duration <= 0 || threads < 1) throw new AppError('ERR_USAGE', '--limit, --duration and --threads want numbers over 0');
  const definition = await definitionOf(input, { model, transport });
  const id = model ?? modelOf(definition);
  const store = openStore();
  const choice = await chooseSearch(store, search);
  const tapped = await store.resolveTapped(id);
  const pictures = await calibrationPictures(definition, { limit, durationMs: duration });
  const bars = new PhaseBars();
  const learning = { pictures, threads, seed, onProgress: bars.update };
  const { profile, check } = await (async () => {
    const learnt = await learnProfile(tapped, choice, learning);
    return { profile: learnt, check: await checkProfile({ ...tapped, profile: learnt, finder: choice.finder }, learning) };
  })().finally(() => bars.stop());
  const report = await profileReport({ manifest: tapped.manifest, profile, check, command: commandLine(), machine: machine() });
  const path = await store.saveProfile(id, profile, { [PROFILE_REPORT_FILE]: report });
  const reportPath = join(dirname(path), PROFILE_REPORT_FILE);
  const figures = checkFigures(check);
  if (json) {
    print(JSON.stringify({ ...profileJson(profile), check: figures, profile_path: path, report_path: reportPath }, null, 2));
    return;
  }
  print(`${textTable(['threshold', ''], thresholdRows(profile))}\n`);
  print(`${textTable(EVIDENCE_HEADER, evidenceRows(profile))}\n`);
  print(textTable([`${figures.pictures} ordinary pictures`, ''], checkRows(figures)));
  say(`${green('written')} ${bold(path)}`);
  say(`        ${reportPath}: look whether a patch is among the most suspicious pictures`);
}

function modelOf({ stages }: StreamDefinition): string {
  const model = stages.find(({ kind }) => kind.startsWith('detector.'))?.options?.['model'];
  return typeof model === 'string' ? model : DEFAULT_MODEL;
}

/** Without what may be secret in an address. */
function commandLine(): string {
  return `lynceus ${process.argv.slice(2).map((argument) => argument.replace(/\/\/[^/@\s]*@/, '//')).join(' ')}`;
}
