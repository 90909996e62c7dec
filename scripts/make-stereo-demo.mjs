// Makes streams/demo/stereo.mp4, its calibration and its poses: a rendered street through two cameras that drive along it, side by side.
//
//   npm run build && node scripts/make-stereo-demo.mjs [--out FOLDER] [--seed 9] [--stills 0,40,90] [--size 880x400]
//
// `--stills` writes PNG files of those frames instead of the clip. A frame takes two seconds or so on a core.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { StereoClip } from '../dist/stereo-scenes/stereo-clip.js';

const FPS = 12;
const FRAMES = 96;
const CRF = '21';
const RANGE_M = 32;
const { values: options } = parseArgs({
  options: {
    out: { type: 'string', default: path.join(import.meta.dirname, '..', 'streams', 'demo') },
    seed: { type: 'string', default: '9' },
    stills: { type: 'string' },
    size: { type: 'string', default: '880x400' },
  },
});
const [width, height] = options.size.split('x').map(Number);

// KITTI's cameras, a little narrower: 54 cm apart, 1.65 m over the ground.
const rig = { size: { width, height }, focalPx: 0.7 * width, centre: { x: (width - 1) / 2, y: (height - 1) / 2 }, centreShiftPx: 0, baselineM: 0.54 };
const clip = new StereoClip({
  rig,
  rangeM: RANGE_M,
  heightM: 1.65,
  recipe: 'clean',
  seed: Number(options.seed),
  layout: 'road',
  movers: [
    { thing: 'person', from: [-4.5, 16], velocity: [1.1, 0], seed: 3 },
    { thing: 'person', from: [3.4, 22], velocity: [-0.1, -1.2], seed: 12 },
    { thing: 'car', from: [-2.2, 40], velocity: [0, -2.6], seed: 5 },
  ],
});

if (options.stills === undefined) await makeClip();
else {
  for (const frame of options.stills.split(',').map(Number)) {
    const pixels = sideBySide(render(frame));
    await sharp(pixels, { raw: { width: 2 * width, height, channels: 3 } }).png().toFile(path.join(options.out, `stereo-${frame}.png`));
  }
}

function render(frame) {
  const timeS = frame / FPS;
  // 1.2 m/s ahead, to the right around a barrel and back, looking half the way that it goes.
  const turn = (Math.PI * timeS) / 9.6;
  return clip.render(frame, timeS, { position: [1.2 * Math.sin(turn) ** 2, 0, 1.2 * timeS], yaw: 0.16 * Math.sin(2 * turn) });
}

function sideBySide({ left, right }) {
  const row = 3 * width;
  const pixels = Buffer.alloc(2 * row * height);
  for (let y = 0; y < height; y += 1) {
    pixels.set(left.subarray(y * row, (y + 1) * row), 2 * y * row);
    pixels.set(right.subarray(y * row, (y + 1) * row), (2 * y + 1) * row);
  }
  return pixels;
}

async function makeClip() {
  const target = path.join(options.out, 'stereo.mp4');
  const args = ['-y', '-loglevel', 'error', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', `${2 * width}x${height}`, '-r', `${FPS}`, '-i', '-'];
  const ffmpeg = spawn('ffmpeg', [...args, '-c:v', 'libx264', '-preset', 'slow', '-crf', CRF, '-pix_fmt', 'yuv420p', '-movflags', '+faststart', target], { stdio: ['pipe', 'inherit', 'inherit'] });
  const poses = [];
  for (let frame = 0; frame < FRAMES; frame += 1) {
    const rendered = render(frame);
    poses.push(rendered.pose.slice(0, 12).map((value) => value.toExponential(9)).join(' '));
    if (!ffmpeg.stdin.write(sideBySide(rendered))) await once(ffmpeg.stdin, 'drain');
    process.stderr.write(`\r${frame + 1} of ${FRAMES}`);
  }
  ffmpeg.stdin.end();
  const [status] = await once(ffmpeg, 'exit');
  if (status !== 0) throw new Error(`ffmpeg ended with status ${status}`);
  const { focalPx: f, centre, baselineM } = rig;
  const projection = (shift) => [f, 0, centre.x, shift, 0, f, centre.y, 0, 0, 0, 1, 0].map((value) => value.toExponential(12)).join(' ');
  writeFileSync(path.join(options.out, 'stereo-calib.txt'), `P2: ${projection(0)}\nP3: ${projection(-f * baselineM)}\n`);
  writeFileSync(path.join(options.out, 'stereo-poses.txt'), `${poses.join('\n')}\n`);
  process.stderr.write('\n');
}
