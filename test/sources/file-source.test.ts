import { readFileSync, writeFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { createFileSource } from '../../src/sources/file-source.js';
import { describeSource } from '../contract/source.contract.js';
import { clip } from './clips.js';

const folder = mkdtempSync(join(tmpdir(), 'lynceus-file-source-'));
let mp4: string;
let cutMkv: string;

beforeAll(async () => {
  mp4 = await clip({ kind: 'mp4', frames: 40 });
  cutMkv = join(folder, 'cut.mkv');
  const whole = readFileSync(await clip({ kind: 'mkv', frames: 40 }));
  writeFileSync(cutMkv, whole.subarray(0, Math.floor(whole.length / 2)));
});

afterAll(() => rmSync(folder, { recursive: true }));

describe('a video file', () => {
  describeSource('an MP4 file', ({ pool, format }) => createFileSource({ name: 'clip', path: mp4, pool, format }), {
    delivery: 'lossless',
    frames: 40,
    failing: { factory: ({ pool, format }) => createFileSource({ name: 'cut', path: cutMkv, pool, format }), code: 'ERR_SOURCE_TRUNCATED', atLeastFrames: 8 },
  });
});
