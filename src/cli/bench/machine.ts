import { createRequire } from 'node:module';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { findFfmpeg } from '../../sources/ffmpeg.js';

/** On what a figure was measured. */
export function machine(): Record<string, string | number> {
  const processors = cpus();
  const ort = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memory_gib: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    onnxruntime: ort.version,
    ffmpeg: findFfmpeg().version,
    platform: `${process.platform}-${process.arch}`,
  };
}
