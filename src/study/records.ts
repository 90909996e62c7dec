import { z } from 'zod';
import { AppError } from '../core/errors.js';
import { PERSPECTIVES } from './perspectives.js';

/** Version of the lines of `spans.ndjson`. */
export const RECORDS_VERSION = 1;

const ms = z.number();

/** First line: what was asked, and on what machine. */
const headerSchema = z.object({
  type: z.literal('study'),
  version: z.literal(RECORDS_VERSION),
  input: z.string(),
  command: z.string(),
  seed: z.int(),
  /** As written on the command line; empty for a study without. */
  injections: z.array(z.string()),
  /** Id of the stage that the first detector is. */
  detector: z.string(),
  startedEpochMs: ms,
  machine: z.record(z.string(), z.union([z.string(), z.number()])),
});

/** Before the frames of a run: which configuration it is. */
const runSchema = z.object({
  type: z.literal('run'),
  run: z.int(),
  /** `injection` where the study is of an injected disturbance. */
  perspective: z.enum([...PERSPECTIVES, 'injection']),
  /** Level by factor: all factors of the perspective's sweep. */
  levels: z.record(z.string(), z.string()),
  block: z.int(),
  /** Of the first detector; absent in recordings of before it was written down. */
  model: z.string().optional(),
});

/** Name, start, end. */
const partSchema = z.tuple([z.string(), ms, ms]);

/** All times of a run count from its own zero, milliseconds. */
const spanSchema = z.object({
  stage: z.string(),
  /** Queued, started, ended. */
  at: z.tuple([ms, ms, ms]),
  worker: z.string().optional(),
  parts: z.array(partSchema).optional(),
});

const frameSchema = z.object({
  type: z.literal('frame'),
  run: z.int(),
  stream: z.string(),
  seq: z.int(),
  ptsMs: ms,
  boxesBeforeNms: z.int().optional(),
  detections: z.int().optional(),
  spans: z.array(spanSchema).min(1),
});

/** Something that happened to the main thread (`gc`; `loop`: it was late, or catching up) or to the whole process (`halt`). */
const markSchema = z.object({
  type: z.literal('mark'),
  run: z.int(),
  kind: z.enum(['gc', 'loop', 'halt']),
  at: z.tuple([ms, ms]),
  /** Of `loop`: the share of the time that the late thread was ready and wasn't let run, 0 to 1; absent where the system doesn't say. */
  offCpu: z.number().optional(),
});

const byThreads = { main: z.number(), workers: z.number(), decoder: z.number() };

/**
 * Between two readings, 0 to 1. `main`: of the time that the main thread ran or was ready to, the share that it wasn't let run. `workers`:
 * the same over the other busy threads of the process, without those of the JavaScript engine. `decoder`: share of all time that a busy
 * thread of a child process (ffmpeg) was ready and wasn't let run. `own`: of that time, the share in which other threads of this process
 * and its children had the processors; absent where the system doesn't say.
 */
const offCpuSchema = z.object({ type: z.literal('off-cpu'), run: z.int(), at: z.tuple([ms, ms]), ...byThreads, own: z.object(byThreads).optional() });

/** After the frames of a run. */
const endSchema = z.object({
  type: z.literal('end'),
  run: z.int(),
  /** Frames that belong to the warm-up come before it. */
  received: z.int(),
  delivered: z.int(),
  dropped: z.record(z.string(), z.int()),
  fps: z.number(),
  /** Of the control group over the run, where it can be read. */
  throttledMs: ms.optional(),
  /** Of the machine's processors over the run, where it can be read. */
  stolenMs: ms.optional(),
  paced: z.boolean(),
  /** Frames come when we ask for them, as those of files and folders; absent, and not so, where a network sends them. */
  pulled: z.boolean().optional(),
});

/** What couldn't be tried, and why. */
const noteSchema = z.object({ type: z.literal('note'), text: z.string() });

export const recordSchema = z.discriminatedUnion('type', [headerSchema, runSchema, frameSchema, markSchema, offCpuSchema, endSchema, noteSchema]);

export type StudyRecord = z.infer<typeof recordSchema>;
export type StudyHeader = z.infer<typeof headerSchema>;
export type RunRecord = z.infer<typeof runSchema>;
export type FrameRecord = z.infer<typeof frameSchema>;
export type SpanRecord = z.infer<typeof spanSchema>;
export type MarkRecord = z.infer<typeof markSchema>;
export type OffCpuRecord = z.infer<typeof offCpuSchema>;
/** 0 to 1, by which threads of ours. */
export type ThreadShares = Pick<OffCpuRecord, 'main' | 'workers' | 'decoder'>;
export type EndRecord = z.infer<typeof endSchema>;

/** Everything that was recorded of one run. */
export interface StudyRun extends Omit<RunRecord, 'type'> {
  readonly frames: readonly FrameRecord[];
  readonly marks: readonly MarkRecord[];
  readonly offCpu: readonly OffCpuRecord[];
  readonly end: EndRecord;
}

export interface StudyRecording {
  readonly header: StudyHeader;
  readonly runs: readonly StudyRun[];
  /** What couldn't be tried, and why. */
  readonly notes: readonly string[];
}

/** The lines of a recording, as they are written. */
export function toNdjson(records: readonly StudyRecord[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}

/**
 * Reads a recording. A run without its end was interrupted and is left out.
 *
 * @param name for messages. @throws AppError `ERR_CONFIG_INVALID` with the line that is no record
 */
export function parseRecording(text: string, name: string): StudyRecording {
  let header: StudyHeader | undefined;
  const notes: string[] = [];
  const open = new Map<number, { run: RunRecord; frames: FrameRecord[]; marks: MarkRecord[]; offCpu: OffCpuRecord[]; end?: EndRecord }>();
  text.split('\n').forEach((line, i) => {
    if (line === '') return;
    const record = parseLine(line, name, i + 1);
    if (record.type === 'study') header = record;
    else if (record.type === 'note') notes.push(record.text);
    else if (record.type === 'run') open.set(record.run, { run: record, frames: [], marks: [], offCpu: [] });
    else {
      const run = open.get(record.run);
      if (!run) throw new AppError('ERR_CONFIG_INVALID', `${name}, line ${i + 1}: run ${record.run} has not begun`, { fix: 'Give a spans.ndjson as lynceus study writes it.' });
      if (record.type === 'frame') run.frames.push(record);
      else if (record.type === 'mark') run.marks.push(record);
      else if (record.type === 'off-cpu') run.offCpu.push(record);
      else run.end = record;
    }
  });
  if (!header) throw new AppError('ERR_CONFIG_INVALID', `${name}: the line of the study itself is missing`, { fix: 'Give a spans.ndjson as lynceus study writes it.' });
  const runs = [...open.values()].flatMap(({ run: { run, perspective, levels, block, model }, frames, marks, offCpu, end }) =>
    end && frames.length > 0 ? [{ run, perspective, levels, block, ...(model === undefined ? {} : { model }), frames, marks, offCpu, end }] : [],
  );
  return { header, runs, notes };
}

function parseLine(line: string, name: string, number: number): StudyRecord {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new AppError('ERR_CONFIG_INVALID', `${name}, line ${number}: no JSON`, { cause, fix: 'Give a spans.ndjson as lynceus study writes it.' });
  }
  const checked = recordSchema.safeParse(value);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0]!;
  throw new AppError('ERR_CONFIG_INVALID', `${name}, line ${number}, ${issue.path.join('.')}: ${issue.message}`, { fix: 'Give a spans.ndjson as lynceus study writes it.' });
}
