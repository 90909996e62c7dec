import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelInput } from '../core/manifest.js';
import { Session } from '../inference/session.js';
import { prepareInput } from '../onnx/prepare-input.js';
import type { OutputShape } from '../onnx/recognise-head.js';

/**
 * Runs a model once on a black picture: proves that this onnxruntime can, and tells the shapes of its outputs. Blocks for one inference.
 *
 * @throws AppError ERR_MODEL_CORRUPT, ERR_INFERENCE_FAILED
 */
export async function probeOutputs(onnx: Uint8Array, input: ModelInput): Promise<OutputShape[]> {
  const folder = await mkdtemp(join(tmpdir(), 'lynceus-probe-'));
  try {
    const modelPath = join(folder, 'prepared.onnx');
    await writeFile(modelPath, prepareInput(onnx, input));
    const session = await Session.load({ modelPath, threads: 1, warmupRuns: 0 });
    try {
      const outputs = await session.run(new Uint8Array(session.inputLength));
      return Object.entries(outputs).map(([name, { dims }]) => ({ name, dims: [...dims] }));
    } finally {
      await session.release();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
