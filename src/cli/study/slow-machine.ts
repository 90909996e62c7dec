import { spawn } from 'node:child_process';

/** The period of the kernel's own quotas. */
const PERIOD_MS = 100;

/**
 * Lets a group of processes run for a share of the time only, as a quota would: stopped and continued every 100 ms.
 *
 * @param signal sends a signal to the group. @returns ends it; the group runs again.
 */
export function startDutyCycle(share: number, signal: (name: NodeJS.Signals) => void): () => void {
  if (share >= 1) return () => undefined;
  let timer: NodeJS.Timeout;
  const stop = (): void => {
    signal('SIGSTOP');
    timer = setTimeout(go, PERIOD_MS * (1 - share));
  };
  const go = (): void => {
    signal('SIGCONT');
    timer = setTimeout(stop, PERIOD_MS * share);
  };
  timer = setTimeout(stop, PERIOD_MS * share);
  return () => {
    clearTimeout(timer);
    signal('SIGCONT');
  };
}

/** Processes that compute for ever and compete for the cores. @returns ends them. */
export function startLoad(processes: number): () => void {
  const children = Array.from({ length: processes }, () => spawn(process.execPath, ['-e', 'process.on("disconnect", () => process.exit()); setImmediate(function work() { const until = Date.now() + 50; while (Date.now() < until); setImmediate(work); });'], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] }));
  return () => {
    for (const child of children) child.kill('SIGKILL');
  };
}
