import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { AppError } from '../../core/errors.js';
import type { StreamDefinition } from '../../config/stream-definition.js';
import { TextOutput } from '../../sinks/text-output.js';
import { redactUrl } from '../../sources/redact.js';
import { analyse, type StudyFigures } from '../../study/analyse.js';
import { levelLabels } from '../../study/level-labels.js';
import { type PlannedRun, planInjection, planRuns } from '../../study/design.js';
import { expectedOf, parseInjection } from '../../study/injection.js';
import { PERSPECTIVES } from '../../study/perspectives.js';
import { parseRecording, RECORDS_VERSION, type StudyRecord, type StudyRecording, toNdjson } from '../../study/records.js';
import { parseInteger } from '../arguments.js';
import { machine } from '../bench/machine.js';
import { definitionOf } from '../definitions.js';
import { openStore } from '../models.js';
import { Shutdown } from '../shutdown.js';
import { checkStages } from '../stages.js';
import { readRecording } from '../study/read-recording.js';
import { runStudy } from '../study/run-study.js';
import { studyJson } from '../study/study-json.js';
import { studyText } from '../study/study-text.js';
import { usualSetup } from '../study/setup.js';
import { ALL_FACTORS, type FactorChoice, parseFactorChoice, planSweeps, type SweepPlan } from '../study/sweeps.js';
import { writeStudyReport } from '../study/write-report.js';
import { type Progress, progressBar, print, say } from '../terminal.js';
import { addCompare } from './study-compare.js';

interface StudyOptions {
  model?: string;
  guard?: boolean;
  transport?: 'tcp' | 'udp';
  factors?: FactorChoice[];
  patch?: string;
  inject?: string[];
  blocks: number;
  frames?: number;
  warmup: number;
  seed: number;
  out?: string;
  from?: string;
  json?: boolean;
}

/** Unless told otherwise, a run ends after so many frames or so long, whatever comes first: a slow source shouldn't make it last for ever. */
const USUAL_FRAMES = 100;
const USUAL_LIMIT_MS = 5_000;
/** Between frames of a camera. */
const USUAL_PERIOD_MS = 33;
/** A run whose frames were asked for waits for them. */
const ASKED_LIMIT_MS = 600_000;

export function addStudy(program: Command): void {
  const study = program
    .command('study')
    .description('Explain where the latency of a stream varies, and why: experiments on your own pipeline and machine.')
    .argument('[input]', 'a stream definition, a camera or video URL, a video file, or a dataset folder')
    .option('--model <id>', 'model id or path')
    .option('--guard', 'put the guard behind each detector')
    .addOption(new Option('--transport <transport>', 'of an RTSP source').choices(['tcp', 'udp']))
    .option('--factors <list>', `what to vary: perspectives (${PERSPECTIVES.join(',')}), all of them unless told otherwise, or factors of one (runtime.spinning,runtime.threads)`, parseFactors)
    .option('--patch <picture>', 'what data.patch pastes on the pictures; noise unless told otherwise')
    .option('--inject <disturbance...>', 'disturb the pipeline and see where the variance is found: decode:gauss:5ms, gc:storm, cpu:50%, link:loss:2%')
    .option('--blocks <n>', 'times that every configuration is run', parsePositive, 2)
    .option('--frames <n>', `frames a run (${USUAL_FRAMES}, or what comes in ${USUAL_LIMIT_MS / 1e3} s)`, parsePositive)
    .option('--warmup <n>', 'frames left out at the begin of each run', parseInteger, 15)
    .option('--seed <n>', 'of the order and the disturbances', parseInteger, 1)
    .option('--out <folder>', 'write report.html, the raw spans.ndjson and a trace of the worst frames')
    .option('--from <spans.ndjson>', 'compute everything again from a recording, without running anything')
    .option('--json', 'print JSON')
    .action(async (input: string | undefined, options: StudyOptions) => {
      process.exitCode = await runCommand(input, options);
    });
  addCompare(study);
}

async function runCommand(input: string | undefined, options: StudyOptions): Promise<number> {
  if (options.from !== undefined) {
    if (input !== undefined) throw new AppError('ERR_USAGE', 'Expected either an input or --from, found both', { fix: 'Leave one of them out.' });
    await conclude(await readRecording(options.from), options);
    return 0;
  }
  if (input === undefined) throw new AppError('ERR_USAGE', 'Expected an input', { fix: 'lynceus study video.mp4, or lynceus study --from report/spans.ndjson.' });
  const { recording, status } = await experiment(input, options);
  await conclude(recording, options);
  return status;
}

async function conclude(recording: StudyRecording, options: StudyOptions): Promise<void> {
  if (recording.runs.length === 0) throw new AppError('ERR_USAGE', 'No run of the study was finished', { fix: 'Give it more time.' });
  const figures = analyse(recording);
  if (options.out !== undefined) {
    await mkdir(options.out, { recursive: true });
    const written = await writeStudyReport(recording, figures, options.out);
    say(`report     ${written}`);
  }
  printFigures(recording, figures, options);
}

function printFigures(recording: StudyRecording, figures: StudyFigures, { json }: StudyOptions): void {
  print(json ? JSON.stringify(studyJson(recording, figures), null, 2) : studyText(recording, figures));
}

async function experiment(input: string, options: StudyOptions): Promise<{ recording: StudyRecording; status: number }> {
  const definition = await definitionOf(input, options);
  if (definition.source.kind === 'stereo') throw new AppError('ERR_USAGE', `${definition.name} is a stereo stream: a study is of one camera's`, { fix: 'Study the video of the left camera.' });
  checkStages(definition.stages);
  const detector = definition.stages.find(({ kind }) => kind === 'detector.yolo')?.id ?? definition.stages[0]!.id;
  const { plan, notes, sweeps } = await planOf(definition, detector, options);
  announce(plan, options);
  const lines = new Lines(options.out);
  await lines.open();
  await lines.add([
    {
      type: 'study',
      version: RECORDS_VERSION,
      input: redactUrl(input),
      command: commandLine(redactUrl(input), options),
      seed: options.seed,
      injections: options.inject ?? [],
      detector,
      startedEpochMs: Date.now(),
      machine: machine(),
    },
    ...notes.map((text): StudyRecord => ({ type: 'note', text })),
  ]);
  const shutdown = new Shutdown();
  const abort = new AbortController();
  void shutdown.requested.then(() => abort.abort());
  const progress = progressBar('study', plan.length);
  try {
    await runStudy({
      usual: usualSetup(definition),
      setupOf: (usual, run) => sweeps?.setupOf(usual, run) ?? usual,
      detector,
      plan,
      frames: options.frames ?? USUAL_FRAMES,
      warmupFrames: options.warmup,
      limitMs: options.frames === undefined ? USUAL_LIMIT_MS : ASKED_LIMIT_MS,
      seed: options.seed,
      signal: abort.signal,
      onRecords: (records) => lines.add(records),
      onRun: timeLeft(progress, plan),
    });
  } finally {
    progress.stop();
    shutdown.dispose();
    await lines.close();
    await sweeps?.close();
  }
  return { recording: parseRecording(lines.text(), 'the recording'), status: shutdown.exitStatus };
}

interface StudyPlan {
  readonly plan: readonly PlannedRun[];
  readonly notes: readonly string[];
  /** Undefined for an injection. */
  readonly sweeps?: SweepPlan;
}

/** A process of its own and its models take about so long. */
const STARTING_MS = 1_200;

/** Says how long it will take before it begins; what a run really takes is known after the first ones. */
function announce(plan: readonly PlannedRun[], { frames, warmup, blocks }: StudyOptions): void {
  const framesMs = ((frames ?? USUAL_FRAMES) + warmup) * USUAL_PERIOD_MS;
  const minutes = (plan.length * (STARTING_MS + Math.min(framesMs, frames === undefined ? USUAL_LIMIT_MS : ASKED_LIMIT_MS))) / 60_000;
  say(`${plan.length} runs, ${plan.length / blocks} configurations ${blocks} times, in about ${minutes < 1 ? 'a minute' : `${Math.ceil(minutes)} minutes`}`);
}

/** @throws AppError of an injection that can't be read, or goes to a stage that the stream doesn't have */
async function planOf(definition: StreamDefinition, detector: string, { inject, factors, patch, blocks, seed }: StudyOptions): Promise<StudyPlan> {
  if (inject === undefined) {
    const sweeps = await planSweeps(definition, { choices: factors ?? ALL_FACTORS, patch: { file: patch }, store: openStore() });
    return { plan: planRuns(sweeps.sweeps, blocks, seed), notes: sweeps.notes, sweeps };
  }
  const stages = ['transport', 'source', ...definition.stages.map(({ id }) => id), 'deliver'];
  for (const text of inject) {
    const { stage } = expectedOf(parseInjection(text), detector);
    if (stage !== undefined && !stages.includes(stage)) {
      throw new AppError('ERR_USAGE', `Injection '${text}': the stream has no stage '${stage}'`, { fix: `Its stages: ${stages.slice(1).join(', ')}.` });
    }
  }
  return { plan: planInjection(inject, blocks), notes: [] };
}

/** The lines of the recording: kept, and written as they come where there is a folder for them, so that an interrupted study has what it got. */
class Lines {
  readonly #folder: string | undefined;
  readonly #texts: string[] = [];
  #output: TextOutput | undefined;

  constructor(folder: string | undefined) {
    this.#folder = folder;
  }

  async open(): Promise<void> {
    if (this.#folder === undefined) return;
    await mkdir(this.#folder, { recursive: true });
    this.#output = await TextOutput.toFile(join(this.#folder, 'spans.ndjson'));
  }

  async add(records: readonly StudyRecord[]): Promise<void> {
    const text = toNdjson(records);
    this.#texts.push(text);
    await this.#output?.write(text);
  }

  text(): string {
    return this.#texts.join('');
  }

  async close(): Promise<void> {
    await this.#output?.close();
  }
}

function timeLeft(progress: Progress, plan: readonly PlannedRun[]): (index: number, run: PlannedRun) => void {
  const startedMs = Date.now();
  return (index, { perspective, levels }) => {
    const leftS = index === 0 ? undefined : (((Date.now() - startedMs) / index) * (plan.length - index)) / 1e3;
    const label = levelLabels(plan.filter((run) => run.perspective === perspective).map((run) => run.levels));
    progress.update(index, `${leftS === undefined ? '' : `${Math.ceil(leftS)} s left, `}${perspective}: ${label(levels)}`);
  };
}

function commandLine(input: string, { model, guard, transport, factors, patch, inject, blocks, frames, warmup, seed }: StudyOptions): string {
  const chosen = factors?.map(({ perspective, factor }) => (factor === undefined ? perspective : `${perspective}.${factor}`));
  const what = inject ? ['--inject', ...inject] : [...(chosen ? ['--factors', chosen.join(',')] : []), ...(patch ? ['--patch', patch] : [])];
  const options = [...(model ? ['--model', model] : []), ...(guard ? ['--guard'] : []), ...(transport ? ['--transport', transport] : []), ...what, '--blocks', blocks, ...(frames === undefined ? [] : ['--frames', frames]), '--warmup', warmup, '--seed', seed];
  return ['lynceus', 'study', input, ...options].join(' ');
}

function parseFactors(text: string): FactorChoice[] {
  return text.split(',').map(parseFactorChoice);
}

function parsePositive(text: string): number {
  const value = parseInteger(text);
  if (value < 1) throw new InvalidArgumentError('Expected a whole number, 1 or more.');
  return value;
}
