import { once } from 'node:events';
import { assert } from '../../core/assert.js';
import { toAppError } from '../../core/errors.js';
import { toNdjson } from '../../study/records.js';
import { performRun } from './perform-run.js';
import type { RunMessage, RunRequest } from './run-request.js';

// A process of its own for every run: its memory, its workers and its compiled code are new, and it can be stopped and slowed from outside.
assert(process.connected, 'a study starts this process');
const tell = (message: RunMessage): void => {
  process.send?.(message);
};
// Without a parent nobody takes what is measured.
process.once('disconnect', () => process.exit(1));
const [request] = (await once(process, 'message')) as [RunRequest];
try {
  const records = await performRun(request, () => tell({ type: 'started' }));
  await new Promise<void>((resolve) => process.stdout.write(toNdjson(records), () => resolve()));
} catch (thrown) {
  const { code, message, fix } = toAppError(thrown);
  tell({ type: 'failed', code, message, fix });
  process.exitCode = 1;
} finally {
  process.removeAllListeners('disconnect');
  process.disconnect();
}
