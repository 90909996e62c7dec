import ffmpeg from 'fluent-ffmpeg';
import type { ChildProcess } from 'node:child_process';
import { AppError } from '../core/errors.js';
import { findFfmpeg } from './find-ffmpeg.js';

export { findFfmpeg, type FfmpegBinaries } from './find-ffmpeg.js';

/** One output of an ffmpeg process. */
export interface FfmpegOutput {
  readonly options: readonly string[];
  /** Path or address. */
  readonly target: string;
}

export interface FfmpegCommandLine {
  readonly inputOptions: readonly string[];
  /** Path (as `file:...`) or address. */
  readonly input: string;
  readonly outputs: readonly FfmpegOutput[];
  /** Every line of stderr, as it comes. May hold credentials: redact before it goes anywhere. */
  readonly onLine: (line: string) => void;
}

export interface FfmpegExit {
  /** Exit status, undefined where a signal ended it or it never started. */
  readonly status: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  /** Why it couldn't be started, where it couldn't. */
  readonly failure: AppError | undefined;
}

export interface FfmpegChild {
  /** Undefined until it has been spawned. */
  readonly pid: number | undefined;
  /** Resolves when the process has ended and its stderr is drained; never rejects. */
  readonly exited: Promise<FfmpegExit>;
  /** SIGTERM, and SIGKILL a second later where that didn't help. May be called at any time, and again. */
  stop(): void;
}

/** An ffmpeg that was asked to end gets so long: an RTSP goodbye is a round trip. */
const KILL_AFTER_MS = 1000;

const children = new Set<Child>();
let exitHookInstalled = false;

/** The processes that are starting, running or being stopped now. */
export function ffmpegChildren(): readonly FfmpegChild[] {
  return [...children];
}

/**
 * Starts ffmpeg. Returns at once; whatever goes wrong is told by `exited`.
 *
 * @throws AppError ERR_FFMPEG_MISSING
 */
export function startFfmpeg(commandLine: FfmpegCommandLine): FfmpegChild {
  ffmpeg.setFfmpegPath(findFfmpeg().ffmpegPath);
  installExitHook();
  return new Child(commandLine);
}

/** What ffprobe says about a file, as it says it. Rejects with ffprobe's own words in the message. */
export function runFfprobe(input: string, options: readonly string[]): Promise<ffmpeg.FfprobeData> {
  ffmpeg.setFfprobePath(findFfmpeg().ffprobePath);
  return new Promise((resolve, reject) => {
    ffmpeg.ffprobe(input, [...options], (error: unknown, data) => {
      if (error) reject(error instanceof Error ? error : new Error('ffprobe failed'));
      else resolve(data);
    });
  });
}

class Child implements FfmpegChild {
  readonly exited: Promise<FfmpegExit>;
  #process: ChildProcess | undefined;
  #stopped = false;
  #killTimer: NodeJS.Timeout | undefined;

  constructor(commandLine: FfmpegCommandLine) {
    children.add(this);
    this.exited = this.#run(commandLine).finally(() => {
      clearTimeout(this.#killTimer);
      children.delete(this);
    });
  }

  get pid(): number | undefined {
    return this.#process?.pid;
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    if (this.#process) this.#terminate(this.#process);
  }

  kill(): void {
    this.#process?.kill('SIGKILL');
  }

  #terminate(child: ChildProcess): void {
    child.kill('SIGTERM');
    this.#killTimer = setTimeout(() => child.kill('SIGKILL'), KILL_AFTER_MS);
  }

  #exit(error?: Error): FfmpegExit {
    const status = this.#process?.exitCode ?? undefined;
    const signal = this.#process?.signalCode ?? undefined;
    if (!error || status !== undefined || signal !== undefined) return { status, signal, failure: undefined };
    return { status, signal, failure: new AppError('ERR_FFMPEG_FAILED', `ffmpeg could not be started: ${error.message}`, { cause: error }) };
  }

  #run({ inputOptions, input, outputs, onLine }: FfmpegCommandLine): Promise<FfmpegExit> {
    const command = ffmpeg(input);
    addOptions((...pair) => command.inputOptions(...pair), inputOptions);
    for (const { target, options } of outputs) {
      command.output(target);
      addOptions((...pair) => command.outputOptions(...pair), options);
    }
    return new Promise((resolve) => {
      command.on('stderr', onLine);
      command.on('start', () => {
        // The wrapper shows its process only as this undocumented property; pid, exit status and an early stop need it.
        this.#process = (command as unknown as { ffmpegProc: ChildProcess }).ffmpegProc;
        if (this.#stopped) this.#terminate(this.#process);
      });
      command.once('end', () => resolve(this.#exit()));
      command.on('error', (error: Error) => resolve(this.#exit(error)));
      command.run();
    });
  }
}

/** Options go in one by one with their value: the wrapper splits a lone string at its first space. */
function addOptions(add: (...pair: string[]) => unknown, options: readonly string[]): void {
  for (let i = 0; i < options.length; ) {
    const option = options[i]!;
    const value = options[i + 1];
    if (value === undefined || (value.startsWith('-') && Number.isNaN(Number(value)))) {
      add(option);
      i += 1;
    } else {
      add(option, value);
      i += 2;
    }
  }
}

/** Our end is theirs, also after an uncaught error. (After SIGKILL they meet a closed socket and end by themselves.) */
function installExitHook(): void {
  if (exitHookInstalled) return;
  exitHookInstalled = true;
  process.on('exit', () => {
    for (const child of children) child.kill();
  });
}
