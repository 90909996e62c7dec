#!/usr/bin/env node
/**
 * What reading frames costs on the main thread, and whether memory stays flat.
 *
 *   node scripts/bench-sources.mjs <video> [frames] [width] [height]
 *
 * Reads the video in a loop and releases each frame at once; then runs ffmpeg alone on the same work, into nothing. Prints one JSON line.
 * Run `npm run build` before. Numbers of busy machines are worth nothing.
 */
import { spawnSync } from 'node:child_process';
import { resourceUsage } from 'node:process';
import { FramePool } from '../dist/core/frame-pool.js';
import { createFileSource } from '../dist/sources/file-source.js';
import { findFfmpeg } from '../dist/sources/find-ffmpeg.js';

const [path, frameLimit = '800', width = '320', height = '320'] = process.argv.slice(2);
if (!path) throw new Error('usage: bench-sources.mjs <video> [frames] [width] [height]');
const limit = Number(frameLimit);
const size = { width: Number(width), height: Number(height) };
const pool = new FramePool(4, size.width * size.height * 3);
const source = await createFileSource({ name: 'measured', path, format: { size, fit: 'stretch', padValue: 114 }, pool, loop: true });

const rssMiB = {};
let frames = 0;
let cpu;
let startMs;
const { perFrameUs, fps } = await new Promise((resolve, reject) => {
  const subscription = source.frames$.subscribe({
    next: (frame) => {
      frame.release();
      frames += 1;
      if (frames === 50) {
        cpu = process.cpuUsage();
        startMs = performance.now();
      }
      if (frames === 1000 || frames % 5000 === 0) rssMiB[frames] = Math.round((process.memoryUsage.rss() / 2 ** 20) * 10) / 10;
      if (frames !== limit) return;
      const { user, system } = process.cpuUsage(cpu);
      resolve({ perFrameUs: (user + system) / (limit - 50), fps: ((limit - 50) * 1000) / (performance.now() - startMs) });
      subscription.unsubscribe();
    },
    error: reject,
  });
});

const alone = ['-v', 'error', '-nostdin', '-threads', '1', '-i', `file:${path}`, '-filter_threads', '1', '-an', '-vf'];
alone.push(`scale=${size.width}:${size.height}:flags=bilinear,format=gbrp`, '-c:v', 'rawvideo', '-f', 'null', '-');
const before = performance.now();
spawnSync(findFfmpeg().ffmpegPath, alone, { stdio: 'inherit' });
const aloneMs = performance.now() - before;

const rounded = (value) => Math.round(value * 10) / 10;
console.log(
  JSON.stringify({
    frames,
    fps: rounded(fps),
    mainThreadCpuUsPerFrame: rounded(perFrameUs),
    ffmpegAloneMs: rounded(aloneMs),
    rssMiB,
    maxRssMiB: rounded(resourceUsage().maxRSS / 1024),
    poolInUse: pool.inUse,
    ffmpeg: findFfmpeg().version,
    node: process.version,
  }),
);
