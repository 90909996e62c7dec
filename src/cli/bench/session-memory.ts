import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { AppError } from '../../core/errors.js';
import { workerUrl } from '../../core/worker-url.js';

/**
 * What a session of one thread adds to the resident memory of a process: measured in a fresh one, since a heap that was used before
 * hides what is taken from it.
 *
 * @param modelPath of a prepared network.
 * @returns bytes. @throws AppError ERR_MODEL_CORRUPT where it can't be run
 */
export async function sessionRss(modelPath: string): Promise<number> {
  const child = spawn(process.execPath, [fileURLToPath(workerUrl(import.meta.url, './session-memory-process.js')), modelPath], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  await once(child, 'close');
  const bytes = Number(stdout);
  if (stdout.trim() === '' || !Number.isFinite(bytes)) throw new AppError('ERR_MODEL_CORRUPT', stderr.trim().split('\n')[0] || `onnxruntime can't run ${modelPath}`);
  return bytes;
}
