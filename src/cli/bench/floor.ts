import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { AppError } from '../../core/errors.js';
import type { FrameFormat } from '../../core/frame.js';
import { workerUrl } from '../../core/worker-url.js';
import { findFfmpeg } from '../../sources/ffmpeg.js';
import { fitFilter } from '../../sources/fit-filter.js';

/** What one part of the work costs by itself. */
export interface Floor {
  /** CPU time of all threads per frame. */
  readonly cpuMs: number;
  readonly frames: number;
}

/** CPU time of ffmpeg's decoding, scaling and conversion alone: the same filters as in the pipeline, the frames thrown away. */
export async function decodeFloor(path: string, format: FrameFormat): Promise<Floor> {
  const { ffmpegPath } = findFfmpeg();
  const options = ['-hide_banner', '-nostdin', '-benchmark', '-threads', '1', '-filter_threads', '1'];
  const child = spawn(ffmpegPath, [...options, '-i', `file:${path}`, '-map', '0:v:0', '-vf', fitFilter(format, 'bench'), '-pix_fmt', 'gbrp', '-vsync', 'passthrough', '-f', 'null', '-'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  await once(child, 'close');
  const cpu = /bench: utime=([\d.]+)s stime=([\d.]+)s/.exec(stderr);
  const frames = [...stderr.matchAll(/frame=\s*(\d+)/g)].at(-1);
  if (!cpu || !frames) throw new AppError('ERR_FFMPEG_FAILED', `ffmpeg's benchmark of ${path} said nothing: ${stderr.trim().split('\n').at(-1) ?? ''}`);
  const count = Number(frames[1]);
  return { cpuMs: ((Number(cpu[1]) + Number(cpu[2])) * 1e3) / count, frames: count };
}

/** What an inference worker of the benchmark is told. */
export interface InferenceFloorData {
  readonly modelPath: string;
  readonly threads: number;
  readonly runs: number;
}

/** CPU time of `session.run` alone, with the sessions and threads that the pipeline uses, all at work at once. */
export async function inferenceFloor({ sessions, ...data }: InferenceFloorData & { sessions: number }): Promise<Floor> {
  const workers = Array.from({ length: sessions }, () => new Worker(workerUrl(import.meta.url, './inference-floor-worker.js'), { workerData: data }));
  try {
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    const before = process.cpuUsage();
    const finished = workers.map((worker) => once(worker, 'message'));
    for (const worker of workers) worker.postMessage('start');
    await Promise.all(finished);
    const { user, system } = process.cpuUsage(before);
    const frames = sessions * data.runs;
    return { cpuMs: (user + system) / 1e3 / frames, frames };
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
