import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { AppError } from '../../core/errors.js';
import { recordSchema, type StudyRecord } from '../../study/records.js';
import type { RunMessage, RunRequest } from './run-request.js';
import type { Surroundings } from './setup.js';
import { startDutyCycle, startLoad } from './slow-machine.js';
import { MachineSetting } from './surroundings.js';

/** Processes run the JavaScript that ships, also from the sources (under the test runner). */
const SCRIPT = fileURLToPath(new URL('./study-process.js', import.meta.url)).replace(/([\\/])src([\\/]cli[\\/]study[\\/][^\\/]+)$/, '$1dist$2');

export interface RunControl {
  /** Ends the run at once; it is lost. */
  readonly signal: AbortSignal;
  readonly surroundings: Surroundings;
}

/** One line of the study's process, checked. */
function parseRecord(line: string): StudyRecord {
  return recordSchema.parse(JSON.parse(line));
}

/**
 * Runs one configuration in a process of its own, slowed from outside where the request says so.
 *
 * @throws AppError of the run; undefined where it was aborted.
 */
export async function spawnRun(request: RunRequest, { signal, surroundings }: RunControl): Promise<StudyRecord[] | undefined> {
  if (wasAborted(signal)) return undefined;
  const setting = new MachineSetting(surroundings, request.run);
  const [command, args] = setting.commandLine(process.execPath, [SCRIPT]);
  // A group of its own: ffmpeg is in it and is stopped with it, and the terminal's shell doesn't hear of it.
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'], detached: true });
  const stops: (() => void)[] = [];
  const kill = () => killGroup(child, 'SIGKILL');
  signal.addEventListener('abort', kill);
  process.once('exit', kill);
  process.once('exit', setting.restore);
  try {
    const failures: AppError[] = [];
    child.on('message', (message: RunMessage) => {
      if (message.type === 'started') stops.push(...slowDown(child, request, setting));
      else failures.push(new AppError(message.code, message.message, message.fix === undefined ? {} : { fix: message.fix }));
    });
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (output += text));
    if (child.pid !== undefined) setting.began(child.pid);
    child.send(request);
    const [status, killedBy] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    if (wasAborted(signal)) return undefined;
    if (failures[0]) throw failures[0];
    if (status !== 0) throw new AppError('ERR_WORKER_DIED', `The run's process ended with ${killedBy ?? `status ${status ?? 'unknown'}`}`);
    return output.split('\n').filter(Boolean).map(parseRecord);
  } finally {
    for (const stop of stops) stop();
    signal.removeEventListener('abort', kill);
    process.off('exit', kill);
    process.off('exit', setting.restore);
    kill();
    await setting.close();
  }
}

/** A call, since the compiler takes a property for unchanged after an await. */
function wasAborted({ aborted }: AbortSignal): boolean {
  return aborted;
}

function slowDown(child: ChildProcess, { injections }: RunRequest, setting: MachineSetting): (() => void)[] {
  setting.measure();
  return injections.flatMap((injection) => {
    if (injection.kind === 'cpu') return [startDutyCycle(injection.share, (name) => killGroup(child, name))];
    return injection.kind === 'load' ? [startLoad(injection.processes)] : [];
  });
}

function killGroup({ pid }: ChildProcess, name: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, name);
  } catch {
    // All of it has ended.
  }
}
