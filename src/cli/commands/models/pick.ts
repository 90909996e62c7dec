import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { AppError } from '../../../core/errors.js';
import { writeFileAtomic } from '../../../model-store/files.js';
import { type BenchResults, benchFolder, readResults, resultsPath, withoutRemoved } from '../../../picker/bench-results.js';
import { milliseconds, renderBenchReport } from '../../../picker/bench-report.js';
import { type Candidate, candidateName, candidatesOf, commonData } from '../../../picker/candidates.js';
import { percentilesOf } from '../../../picker/percentiles.js';
import { latencyBy, pick, type Pick, type Statistic } from '../../../picker/pick.js';
import { materialise, resizedId } from '../../../picker/resized-model.js';
import { runRounds } from '../../../picker/run-rounds.js';
import { writeChoice } from '../../../picker/write-choice.js';
import { parseFraction, parseInteger } from '../../arguments.js';
import { machine } from '../../bench/machine.js';
import { openStore } from '../../models.js';
import { bold, dim, green, print, say, textTable } from '../../terminal.js';
import { candidateJson } from './bench.js';

interface PickCommandOptions {
  budget: number;
  threads?: number;
  minMap50?: number;
  by?: Statistic;
  margin?: number;
  stream?: string;
  stage?: string;
  dryRun?: boolean;
  check?: boolean;
  json?: boolean;
}

/** Inferences of `--check`. */
const CHECK_RUNS = 100;

export function addPick(models: Command): void {
  models
    .command('pick')
    .description('Choose the most accurate model that fits a time budget on this machine, from what `models bench` measured.')
    .requiredOption('--budget <time>', 'of one inference: 10ms, or a frame rate: 30fps', parseBudgetMs)
    .option('--threads <n>', 'threads within one inference; whatever was measured unless told', parseInteger)
    .option('--min-map50 <fraction>', 'least accuracy, 0 to 1', parseFraction)
    .addOption(new Option('--by <statistic>', 'what has to fit; the strictest that there are samples for unless told').choices(['p50', 'p95', 'p99']))
    .option('--margin <fraction>', 'share of the budget to leave free (0; 0.2 where the median judges)', parseFraction)
    .option('--stream <file>', 'write the choice into this stream definition')
    .option('--stage <id>', 'which of its stages, where it has several detectors')
    .option('--dry-run', 'say what would be chosen; write nothing')
    .option('--check', 'measure the choice again: predicted against observed')
    .option('--json', 'print JSON')
    .action(pickModel);
}

/** `10ms` or `30fps`, as milliseconds of one frame. */
function parseBudgetMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?) ?(ms|fps)$/i.exec(text);
  const value = Number(match?.[1]);
  if (!match || !(value > 0)) throw new InvalidArgumentError('Expected a time such as 10ms or a frame rate such as 30fps.');
  return match[2]!.toLowerCase() === 'fps' ? 1e3 / value : value;
}

interface Check {
  readonly predictedMs: number;
  readonly observedMs: number;
  readonly n: number;
}

async function pickModel({ budget, dryRun, ...options }: PickCommandOptions): Promise<void> {
  const here = machine();
  const path = resultsPath(benchFolder(), here);
  const measured = await readResults(path);
  if (!measured) throw new AppError('ERR_USAGE', 'Nothing was measured on this machine yet', { fix: 'Measure first: lynceus models bench --data <dataset>.' });
  const results = withoutRemoved(measured, await openStore().list());
  // Read and checked before anything is written.
  const written = options.stream === undefined ? undefined : await readFile(options.stream, 'utf8').catch((cause: unknown) => Promise.reject(unreadable(options.stream!, cause)));
  const picked = pick(candidatesOf(results), { budgetMs: budget, threads: options.threads, minMap50: options.minMap50, statistic: options.by, margin: options.margin });
  const { choice } = picked;
  const id = resizedId(choice.variant);
  const definition = written === undefined ? undefined : writeChoice(written, options.stream!, { model: id, threads: choice.threads }, options.stage);
  const isWriting = dryRun !== true;
  if (isWriting) await install(choice, results, picked);
  if (isWriting && definition !== undefined) await writeFileAtomic(options.stream!, definition);
  const check = options.check === true && isWriting ? await checkChoice(choice, id) : undefined;
  if (options.json === true) {
    const runnersUp = picked.runnersUp.map(({ candidate, why }) => ({ ...candidateJson(candidate), why }));
    print(JSON.stringify({ budgetMs: budget, judgedBy: picked.statistic, margin: picked.margin, limitMs: picked.limitMs, latencyMs: picked.latencyMs, data: commonData(results) ?? null, id, choice: candidateJson(choice), runnersUp, stream: (isWriting && options.stream) || null, check: check ?? null }, null, 2));
    return;
  }
  showPick(picked, budget, id);
  if (check) print(`predicted median ${milliseconds(check.predictedMs)}, observed ${milliseconds(check.observedMs)} (${signedPercent(check.observedMs / check.predictedMs - 1)}, n ${check.n})`);
  if (!isWriting) say(dim('Nothing was written (--dry-run).'));
  else if (options.stream !== undefined) say(`${green('written')} ${bold(options.stream)}: model ${id}, mode latency, ${choice.threads} core${choice.threads > 1 ? 's' : ''}`);
  else say(`try it: lynceus run demo --model ${id}`);
}

function unreadable(path: string, cause: unknown): AppError {
  return new AppError('ERR_FILE_NOT_FOUND', `${path}: the stream definition can't be read`, { cause, fix: 'Check the path.' });
}

async function install(choice: Candidate, results: BenchResults, { statistic, latencyMs }: Pick): Promise<void> {
  const { accuracy, latency, threads } = choice;
  const measured = { machine: results.machine, threads, latency, judgedBy: statistic, latencyMs, data: accuracy!.data, map50: accuracy!.map50, map5095: accuracy!.map5095 };
  const report = renderBenchReport(results, { command: 'lynceus models pick', choice });
  await materialise(openStore(), choice.variant, { measured }, { 'report.html': report });
}

async function checkChoice({ threads, latency }: Candidate, id: string): Promise<Check> {
  const samplesUs: number[] = [];
  const { preparedPath } = await openStore().resolve(id);
  await runRounds([{ modelPath: preparedPath, threads, runs: CHECK_RUNS }], { onSamples: (_, samples) => void samplesUs.push(...samples) });
  return { predictedMs: latency.p50Ms, observedMs: percentilesOf(samplesUs)!.p50Ms, n: samplesUs.length };
}

function signedPercent(share: number): string {
  return `${share >= 0 ? '+' : ''}${(share * 100).toFixed(1)} %`;
}

function showPick({ choice, statistic, margin, limitMs, latencyMs, runnersUp }: Pick, budgetMs: number, id: string): void {
  const free = margin > 0 ? `, ${(margin * 100).toFixed(0)} % of it left free` : '';
  print(`${bold(id)}: ${statistic} ${milliseconds(latencyMs)} with ${choice.threads} thread${choice.threads > 1 ? 's' : ''}, mAP50 ${percent(choice)}`);
  print(`the most accurate whose ${statistic} fits ${milliseconds(limitMs)} (budget ${milliseconds(budgetMs)}${free}); decoding and non-maximum suppression not counted`);
  const rows = runnersUp.map(({ candidate, why }) => [candidateName(candidate), String(candidate.threads), milliseconds(latencyBy(candidate.latency, statistic)), percent(candidate), why]);
  if (rows.length > 0) print(`\n${textTable(['runner-up', 'threads', statistic, 'mAP50', 'why not'], rows)}`);
}

function percent({ accuracy }: Candidate): string {
  const { map50, map50Interval } = accuracy!;
  const interval = map50Interval ? ` (${(map50Interval.low * 100).toFixed(1)} to ${(map50Interval.high * 100).toFixed(1)})` : '';
  return `${(map50 * 100).toFixed(1)} %${interval}`;
}
