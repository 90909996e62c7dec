import { spawnSync } from 'node:child_process';
import { QuotaGroup } from '../../study/control-group.js';
import { setCpuFrequency } from '../../study/cpu-frequency.js';
import type { Surroundings } from './setup.js';

/** What a machine is set to around one run. */
export class MachineSetting {
  readonly #surroundings: Surroundings;
  readonly #group: QuotaGroup | undefined;
  /** Puts the frequency back; may be called again. */
  readonly restore: () => void;

  /** @throws AppError `ERR_USAGE` where a control group is asked for and none can be made */
  constructor(surroundings: Surroundings, run: number) {
    this.#surroundings = surroundings;
    const { quotaShare, governor, maxKhz } = surroundings;
    this.#group = quotaShare === undefined ? undefined : QuotaGroup.create(`lynceus-study-${process.pid}-${run}`);
    this.restore = governor === undefined && maxKhz === undefined ? () => undefined : setCpuFrequency({ governor, maxKhz });
  }

  /** The command line that starts a program so that it keeps to the run's processors. */
  commandLine(command: string, args: readonly string[]): readonly [command: string, args: readonly string[]] {
    const { processors } = this.#surroundings;
    return processors ? ['taskset', ['--cpu-list', processors.join(','), command, ...args]] : [command, args];
  }

  /** A process that has begun; before it has started another. */
  began(pid: number): void {
    this.#group?.add(pid);
  }

  /** Frames are coming: what they are to be measured under begins. */
  measure(): void {
    if (this.#surroundings.quotaShare !== undefined) this.#group?.limit(this.#surroundings.quotaShare);
  }

  /** When the process has ended: all is as it was. */
  async close(): Promise<void> {
    this.restore();
    await this.#group?.close();
  }
}

/** Whether `taskset` (util-linux) can start programs here. */
export function canPin(): boolean {
  return spawnSync('taskset', ['--version'], { stdio: 'ignore' }).status === 0;
}

/** Whether a control group with a quota can be made here; why not, where not. */
export async function quotaFault(): Promise<string | undefined> {
  try {
    const group = QuotaGroup.create(`lynceus-study-${process.pid}`);
    await group.close();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}
