import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { StreamDefinition } from '../../config/stream-definition.js';
import { monotonicMs } from '../../core/clock.js';
import { AppError } from '../../core/errors.js';
import type { Logger } from '../../core/logger.js';
import type { Sink } from '../../core/sink.js';
import type { Delivery } from '../../core/source.js';
import type { RunningStream } from '../../graph/running-stream.js';
import { toStatsMessage } from '../../protocol/to-message.js';
import { type LynceusServer, startServer } from '../../server/server.js';
import { BreachSink } from '../../sinks/breach-sink.js';
import { IsolatedSink } from '../../sinks/isolated-sink.js';
import { NdjsonSink } from '../../sinks/ndjson-sink.js';
import { RecorderSink } from '../../sinks/recorder-sink.js';
import { TextOutput } from '../../sinks/text-output.js';
import { TraceSink } from '../../sinks/trace-sink.js';
import { FlightRecorder } from '../../timing/flight-recorder.js';
import { traceDocument } from '../../timing/trace-document.js';
import { DEFAULT_MODEL, definitionOf } from '../definitions.js';
import { parseDurationMs, parseInteger } from '../arguments.js';
import { createLog } from '../log.js';
import { openStore } from '../models.js';
import { Pipeline } from '../pipeline.js';
import { RecordingSink } from '../recording-sink.js';
import { Shutdown } from '../shutdown.js';
import { summaryText } from '../summary.js';
import { bold, cyan, dim, print, type Progress, progressBar, say } from '../terminal.js';
import { VERSION } from '../version.js';

const DEFAULT_PORT = 7272;
/** Neighbours of a video teach little: a thousand pictures are half an hour. */
const DEFAULT_RECORD_EVERY_MS = 2000;

interface RunOptions {
  model?: string;
  guard?: boolean;
  track?: boolean;
  governor?: string;
  port: number;
  host: string;
  token?: string;
  allowOrigin?: string[];
  out?: string;
  record?: string;
  recordEvery: number;
  trace?: string;
  breach?: number;
  breachDir: string;
  once?: boolean;
  duration?: number;
  realtime?: boolean;
  loop?: boolean;
  transport?: 'tcp' | 'udp';
  server: boolean;
  json?: boolean;
}

export function addRun(program: Command): void {
  program
    .command('run')
    .description('Run streams: a definition (.yaml or the name of a shipped one), a camera or video URL, a video file, or a dataset folder.')
    .argument('<inputs...>', 'what to run; several run side by side')
    .option('--model <id>', 'model id, or a path to an .onnx or .cfg (default: centernet-coco)')
    .option('--guard', "find adversarial patches and take away their effect; needs the model's clean profile (lynceus guard calibrate)")
    .option('--track', 'follow objects from frame to frame: a tracker after each detector')
    .option('--governor <target>', 'hold this latency (25ms) or rate (20fps): operating points of the model change with the speed of the machine')
    .option('--port <n>', 'port of viewer, WebSocket and HTTP; 0 takes a free one', parseInteger, DEFAULT_PORT)
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--token <text>', 'ask clients for this bearer token (or LYNCEUS_TOKEN)', process.env['LYNCEUS_TOKEN'])
    .option('--allow-origin <origin...>', 'web pages from these origins may connect')
    .option('--no-server', 'run without viewer, WebSocket and HTTP')
    .option('--out <file>', 'write results as NDJSON; - is standard output')
    .option('--record <folder>', 'keep pictures and what was found in them, to make a detector for this camera (models/lab/detector)')
    .option('--record-every <time>', 'time between two pictures: 500ms, 10s', parseDurationMs, DEFAULT_RECORD_EVERY_MS)
    .option('--trace <file>', 'write a Chrome trace, for Perfetto')
    .option('--breach <time>', 'write a trace of what happened when a frame takes longer than this: 100ms, 1s', parseDurationMs)
    .option('--breach-dir <folder>', 'where these traces go', 'breaches')
    .option('--once', 'play files once, end with a summary')
    .option('--duration <time>', 'end after so long: 10s, 5m, 2h', parseDurationMs)
    .option('--realtime', 'pace files and datasets by their timestamps')
    .option('--loop', 'start files and datasets again at their end')
    .option('--transport <tcp|udp>', 'RTSP transport')
    .option('--json', 'print the summary as JSON')
    .action(async (inputs: string[], options: RunOptions) => {
      process.exitCode = await run(inputs, options);
    });
}

async function run(inputs: readonly string[], options: RunOptions): Promise<number> {
  const log = createLog();
  const shutdown = new Shutdown();
  // --once plays a looping definition a single time.
  const loop = options.once ? false : options.loop;
  const definitions = await Promise.all(inputs.map((input) => definitionOf(input, { ...options, loop })));
  refuseDuplicates(definitions.map(({ name }) => name));

  let server: LynceusServer | undefined;
  const outputs = await openOutputs(options, definitions, log);
  const store = openStore();
  const recorder = new FlightRecorder();
  const breaches = options.breach === undefined ? [] : [new BreachSink({ thresholdMs: options.breach, folder: options.breachDir, recorder, log, intervals: (fromMs, toMs) => pipeline.runtimeIntervals(fromMs, toMs) })];
  const pipeline: Pipeline = await Pipeline.prepare(definitions, {
    store,
    log,
    // The recorder comes before what reads it.
    sinksFor: (_, delivery) => [new RecorderSink(recorder), ...breaches.map(withoutClose), ...outputs.map((sink) => guarded(sink, delivery, log)), ...(server ? [withoutClose(server.sink)] : [])],
  });
  try {
    if (options.server) {
      server = await startServer({
        host: options.host,
        port: options.port,
        ...(options.token ? { token: options.token } : {}),
        ...(options.allowOrigin ? { allowedOrigins: options.allowOrigin } : {}),
        streams: () => pipeline.streams,
        logger: log,
        ready: () => readiness(pipeline.streams),
        trace: (lastMs, stream) => traceOf(recorder, pipeline, lastMs, stream),
        breaches: () => breaches.flatMap(({ counts }) => counts),
        version: VERSION,
      });
      announce(server, options);
    }
    await pipeline.start();
    const progress = progressBar(definitions.length === 1 ? definitions[0]!.name : `${definitions.length} streams`, totalFrames(pipeline));
    const ticker = setInterval(() => tick(progress, pipeline.streams), 250);
    let failure: AppError | undefined;
    try {
      const ended = Promise.all(pipeline.streams.map((stream) => stream.done));
      await Promise.race([ended, shutdown.requested, ...(options.duration ? [delay(options.duration, undefined, { ref: false })] : [])]);
    } catch (error) {
      failure = error as AppError;
    } finally {
      await pipeline.stop();
      clearInterval(ticker);
      progress.stop();
    }
    report(pipeline.streams, options);
    if (failure) throw failure;
    return shutdown.exitStatus;
  } finally {
    shutdown.dispose();
    await server?.close();
    await pipeline.close().finally(() => Promise.all([...breaches, ...outputs].map(async (sink) => sink.close())));
  }
}

async function openOutputs({ out, record, recordEvery, trace }: RunOptions, definitions: readonly StreamDefinition[], log: Logger): Promise<Sink[]> {
  const sinks: Sink[] = [];
  if (out) sinks.push(new NdjsonSink(out === '-' ? TextOutput.toStdout() : await TextOutput.toFile(out)));
  if (record) sinks.push(await RecordingSink.open(record, { everyMs: recordEvery, log, modelOf: (stream) => modelOf(definitions.find(({ name }) => name === stream)) }));
  if (trace) sinks.push(new TraceSink(await TextOutput.toFile(trace)));
  return sinks;
}

/** Of a stream's last detector: whose boxes leave the graph. */
function modelOf(definition: StreamDefinition | undefined): string | undefined {
  const detector = definition?.stages.filter(({ kind }) => kind === 'detector.yolo').at(-1);
  const model = detector?.options?.['model'] ?? DEFAULT_MODEL;
  return detector && typeof model === 'string' ? model : undefined;
}

function traceOf(recorder: FlightRecorder, pipeline: Pipeline, lastMs: number, stream?: string): AsyncIterable<string> {
  const nowMs = monotonicMs();
  return traceDocument(recorder.since(nowMs - lastMs, stream), pipeline.runtimeIntervals(nowMs - lastMs, nowMs));
}

/** Several streams write to one output; it is closed once, at the end. */
function withoutClose(sink: Sink): Sink {
  return {
    kind: sink.kind,
    deliver: (frame) => sink.deliver(frame),
    event: (stream, event) => sink.event?.(stream, event),
    moved: (stream, move) => sink.moved?.(stream, move),
    close: () => undefined,
  };
}

function guarded(sink: Sink, delivery: Delivery, log: Logger): Sink {
  if (delivery !== 'live') return withoutClose(sink);
  // A recording tells by itself what it could not keep, and what it passes over is no loss.
  return sink instanceof RecordingSink ? sink.unwaited() : new IsolatedSink(withoutClose(sink), log);
}

function announce({ url, wsUrl }: LynceusServer, { token }: RunOptions): void {
  say(`${bold('viewer')}     ${cyan(url)}`);
  say(`${bold('websocket')}  ${cyan(wsUrl)}  ${dim('subprotocols lynceus.v1.json, lynceus.v1.msgpack')}${token ? dim('  (token required)') : ''}`);
}

function readiness(streams: readonly RunningStream[]): { ready: boolean; reasons: string[] } {
  if (streams.length === 0) return { ready: false, reasons: ['models are loading'] };
  const reasons = streams.filter((stream) => !['running', 'ended'].includes(stream.lastEvent()?.state ?? '')).map((stream) => `${stream.name}: ${stream.lastEvent()?.state ?? 'connecting'}`);
  return { ready: reasons.length === 0, reasons };
}

function totalFrames({ frameCounts, streams }: Pipeline): number | undefined {
  const counts = streams.map(({ name }) => frameCounts.get(name));
  return counts.includes(undefined) ? undefined : counts.reduce<number>((sum, count) => sum + count!, 0);
}

function tick(progress: Progress, streams: readonly RunningStream[]): void {
  const stats = streams.map((stream) => stream.stats());
  const fps = stats.reduce((sum, one) => sum + one.fps, 0);
  const worst = Math.max(...stats.map(({ endToEnd }) => endToEnd.p50Ms ?? 0));
  progress.update(
    stats.reduce((sum, { received }) => sum + received, 0),
    `${fps.toFixed(1)} fps, p50 ${worst.toFixed(1)} ms`,
  );
}

function report(streams: readonly RunningStream[], { json, out }: RunOptions): void {
  if (json) {
    print(JSON.stringify({ streams: streams.map((stream) => toStatsMessage(stream, Date.now())) }, null, 2));
    return;
  }
  // Results on standard output are not to be mixed with a table.
  const show = out === '-' ? say : print;
  for (const stream of streams) show(`\n${summaryText(stream.stats())}`);
}

function refuseDuplicates(names: readonly string[]): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice) throw new AppError('ERR_USAGE', `Two streams are called '${twice}'`, { fix: 'Give them different names in their definitions.' });
}
