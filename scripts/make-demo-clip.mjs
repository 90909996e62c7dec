// Makes streams/demo/demo.mp4: a rendered street with cars, buses, trucks and people (street.js) as an H.264 clip.
//
//   node scripts/make-demo-clip.mjs [--out FILE] [--master FILE] [--stills 0,6,12] [--models FOLDER] [--three FOLDER]
//
// Needs a Debian machine with chromium and ffmpeg. The models come from the Debian package sweethome3d-furniture, the renderer from
// the npm package three; both are fetched into a temporary folder unless their folders are given. `--stills` writes PNG files of
// those seconds instead of the clip, `--master` a lossless copy beside it. A frame takes a second or so on 2 cores without a GPU.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const FPS = 25;
const CRF = '29';
const SIZE = { width: 1280, height: 720 };
const THREE_VERSION = '0.180.0';
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.png': 'image/png', '.jpg': 'image/jpeg' };

const here = import.meta.dirname;
const { values: options } = parseArgs({
  options: {
    out: { type: 'string', default: path.join(here, '..', 'streams', 'demo', 'demo.mp4') },
    master: { type: 'string' },
    stills: { type: 'string' },
    models: { type: 'string' },
    three: { type: 'string' },
    chromium: { type: 'string', default: '/usr/bin/chromium' },
  },
});

const scratch = mkdtempSync(path.join(tmpdir(), 'demo-clip-'));
const modelsFolder = options.models ?? fetchModels();
const threeFolder = options.three ?? fetchThree();
let takeFrame;
const server = http.createServer(answer).listen(0, '127.0.0.1');
await once(server, 'listening');

const browser = await chromium.launch({
  executablePath: options.chromium,
  // The software renderer: the same picture on every machine.
  args: ['--no-sandbox', '--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--ignore-gpu-blocklist', '--disable-dev-shm-usage'],
});
const page = await browser.newPage({ viewport: SIZE });
page.on('pageerror', (error) => console.error(String(error)));
await page.goto(`http://127.0.0.1:${server.address().port}/street.html`);
await page.waitForFunction('window.isReady');
await page.evaluate(([width, height]) => window.prepare(width, height), [SIZE.width, SIZE.height]);
const periodS = await page.evaluate('window.periodS');

if (options.stills === undefined) await makeClip();
else for (const second of options.stills.split(',')) await makeStill(Number(second));
await browser.close();
server.close();

function fetchModels() {
  execFileSync('apt-get', ['download', 'sweethome3d-furniture'], { cwd: scratch, stdio: 'inherit' });
  const archive = readdirSync(scratch).find((name) => name.endsWith('.deb'));
  execFileSync('dpkg-deb', ['-x', archive, 'package'], { cwd: scratch });
  const furniture = path.join(scratch, 'package/usr/share/sweethome3d/furniture');
  for (const library of readdirSync(furniture)) {
    execFileSync('unzip', ['-qo', path.join(furniture, library), '-d', path.join(scratch, 'models', path.parse(library).name)]);
  }
  return path.join(scratch, 'models');
}

function fetchThree() {
  execFileSync('npm', ['install', '--silent', '--prefix', scratch, `three@${THREE_VERSION}`], { stdio: 'inherit' });
  return path.join(scratch, 'node_modules/three');
}

async function answer(request, response) {
  if (request.method === 'POST') {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    await takeFrame(Buffer.concat(chunks));
    response.end();
    return;
  }
  const url = decodeURIComponent(new URL(request.url, 'http://localhost').pathname);
  const file = url.startsWith('/models/')
    ? path.join(modelsFolder, url.slice('/models/'.length))
    : url.startsWith('/three/')
      ? path.join(threeFolder, url.slice('/three/'.length))
      : path.join(here, 'demo-clip', url);
  try {
    const body = await readFile(file);
    response.setHeader('content-type', TYPES[path.extname(file).toLowerCase()] ?? 'application/octet-stream');
    response.end(body);
  } catch {
    response.writeHead(404).end();
  }
}

function ffmpeg(outputs) {
  const raw = ['-f', 'rawvideo', '-pix_fmt', 'rgba', '-s', `${SIZE.width}x${SIZE.height}`, '-r', String(FPS), '-i', '-'];
  const child = spawn('ffmpeg', ['-v', 'error', '-y', ...raw, ...outputs], { stdio: ['pipe', 'inherit', 'inherit'] });
  const closed = once(child, 'close');
  takeFrame = async (pixels) => {
    if (!child.stdin.write(pixels)) await once(child.stdin, 'drain');
  };
  return async () => {
    child.stdin.end();
    const [status] = await closed;
    if (status !== 0) throw new Error(`ffmpeg ended with status ${status}`);
  };
}

async function makeStill(second) {
  const finish = ffmpeg(['-vf', 'vflip', '-frames:v', '1', `still-${second}.png`]);
  await page.evaluate((timeS) => window.drawFrame(timeS), second);
  await finish();
}

async function makeClip() {
  mkdirSync(path.dirname(options.out), { recursive: true });
  const colour = ['-color_primaries', 'bt709', '-color_trc', 'bt709', '-colorspace', 'bt709', '-color_range', 'tv'];
  const toYuv = ['-vf', 'vflip,scale=out_color_matrix=bt709:out_range=tv,format=yuv420p'];
  const encode = ['-c:v', 'libx264', '-profile:v', 'high', '-preset', 'slow', '-crf', CRF, '-g', '100', '-movflags', '+faststart'];
  const master = options.master ? [...toYuv, '-c:v', 'libx264', '-preset', 'ultrafast', '-qp', '0', ...colour, options.master] : [];
  const finish = ffmpeg([...toYuv, ...encode, ...colour, '-metadata', 'title=lynceus demo street', '-fflags', '+bitexact', options.out, ...master]);
  const frames = periodS * FPS;
  for (let i = 0; i < frames; i++) {
    await page.evaluate((timeS) => window.drawFrame(timeS), i / FPS);
    if (i % FPS === 0) process.stderr.write(`\rframe ${i} of ${frames}`);
  }
  await finish();
  process.stderr.write(`\r${options.out}\n`);
}
