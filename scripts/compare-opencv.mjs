#!/usr/bin/env node
// lynceus against OpenCV's own DNN pipeline: same weights, same video, same machine, in alternation. Prints JSON.
//
//   node scripts/compare-opencv.mjs VIDEO MODEL.cfg [rounds]
//
// Needs Debian's python3-opencv.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const [video, cfg, roundsText = '3'] = process.argv.slice(2);
if (!video || !cfg) {
  console.error('usage: node scripts/compare-opencv.mjs VIDEO MODEL.cfg [rounds]');
  process.exit(2);
}
const root = fileURLToPath(new URL('..', import.meta.url));
const python = existsSync('/usr/bin/python3') ? '/usr/bin/python3' : 'python3';
const frames = 700;
const json = (command, args) => JSON.parse(execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, LYNCEUS_LOG_LEVEL: 'error' } }));
const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

const rounds = [];
for (let round = 0; round < Number(roundsText); round += 1) {
  const opencv = json(python, [`${root}scripts/opencv_pipeline.py`, video, cfg, cfg.replace(/cfg$/, 'weights'), String(frames)]);
  const lynceus = json(process.execPath, [`${root}dist/cli/main.js`, 'bench', video, '--model', cfg, '--frames', String(frames), '--rounds', '1', '--json']);
  rounds.push({ opencv, lynceus });
}
console.log(
  JSON.stringify(
    {
      rounds: rounds.length,
      frames_a_round: frames,
      lynceus_fps: median(rounds.map(({ lynceus }) => lynceus.fps)),
      opencv_fps: median(rounds.map(({ opencv }) => opencv.fps)),
      ratio: Number(median(rounds.map(({ lynceus, opencv }) => lynceus.fps / opencv.fps)).toFixed(2)),
      efficiency: median(rounds.map(({ lynceus }) => lynceus.efficiency)),
      opencv: { version: rounds[0].opencv.opencv, threads: rounds[0].opencv.threads },
      machine: rounds[0].lynceus.machine,
    },
    null,
    2,
  ),
);
