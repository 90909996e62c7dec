import { createHash } from 'node:crypto';
import { readFileSync, truncateSync, writeFileSync, copyFileSync, cpSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { runCli, tinyModelFolder } from '../fixtures/cli.js';
import { makeClip } from '../fixtures/index.js';
import { tempFolder } from '../fixtures/temp-folder.js';

const home = tempFolder();
const model = tinyModelFolder(home);
let clip: string;

beforeAll(async () => {
  clip = await makeClip({ frames: 100, container: 'mkv' });
});

function stream(name: string, text: string): string {
  const path = join(home, `${name}.yaml`);
  writeFileSync(path, text);
  return path;
}

function brokenModel(name: string, spoil: (folder: string) => void): string {
  const folder = join(home, name);
  cpSync(model, folder, { recursive: true });
  spoil(folder);
  return folder;
}

describe('what is wrong is told with a code, a place and a way out', () => {
  test.each<[string, () => string[], string, number, RegExp]>([
    ['a file that is not there', () => ['run', 'nowhere.mp4'], 'ERR_FILE_NOT_FOUND', 2, /nowhere\.mp4/],
    ['an unknown key, by line and column', () => ['run', stream('unknown', 'name: a\nsource: { kind: file, path: x.mp4 }\nstages:\n  - id: d\n    kind: detector.yolo\n    overflov: latest\n')], 'ERR_CONFIG_UNKNOWN_KEY', 2, /unknown\.yaml:6:\d+.*overflov/],
    ['an unknown stage', () => ['run', stream('stage', `name: a\nsource: { kind: file, path: ${clip} }\nstages: [{ id: d, kind: detector.yola }]\n`)], 'ERR_STAGE_UNKNOWN', 2, /detector\.yola/],
    ['an unknown option of a stage', () => ['run', stream('option', `name: a\nsource: { kind: file, path: ${clip} }\nstages: [{ id: d, kind: detector.yolo, options: { modle: x } }]\n`)], 'ERR_CONFIG_UNKNOWN_KEY', 2, /modle/],
    ['broken YAML', () => ['run', stream('syntax', 'name: [a\nsource: 1\n')], 'ERR_CONFIG_SYNTAX', 2, /syntax\.yaml:\d+:\d+/],
    ['a variable that is not set', () => ['run', stream('env', 'name: a\nsource: { kind: rtsp, url: "${NO_SUCH_URL}" }\nstages: [{ id: d, kind: detector.yolo }]\n')], 'ERR_CONFIG_ENV_MISSING', 2, /NO_SUCH_URL/],
    ['a model that is not installed', () => ['run', clip, '--model', 'no-such-model'], 'ERR_MODEL_NOT_FOUND', 2, /no-such-model/],
    ['a model whose file was changed', () => ['run', clip, '--model', brokenModel('changed', (folder) => writeFileSync(join(folder, 'model.onnx'), 'other'))], 'ERR_MODEL_CHECKSUM', 1, /sha256|checksum/i],
    ['a corrupt ONNX file', () => ['run', clip, '--model', corruptOnnx()], 'ERR_MODEL_CORRUPT', 1, /corrupt/i],
    ['a file that is no video', () => ['run', notAVideo(), '--model', model], 'ERR_SOURCE_FORMAT', 1, /words\.dat/],
    ['an unknown command line option', () => ['run', '--no-such-option'], 'unknown option', 2, /no-such-option/],
  ])('%s', async (_, args, code, status, detail) => {
    const result = await runCli([...args(), '--no-server'], home);
    expect(result.stderr).toContain(code);
    expect(result.stderr).toMatch(detail);
    expect(result.status).toBe(status);
    expect(result.stdout).toBe('');
  });

  function corruptOnnx(): string {
    const path = join(home, 'corrupt.onnx');
    writeFileSync(path, Buffer.from('this is no protobuf at all, whatever its name says'));
    return path;
  }

  function notAVideo(): string {
    const path = join(home, 'words.dat');
    writeFileSync(path, 'words, words, words');
    return path;
  }
});

test('a truncated video gives the frames before the cut, and then its error', async () => {
  const cut = join(home, 'cut.mkv');
  copyFileSync(clip, cut);
  truncateSync(cut, Math.floor(readFileSync(clip).length * 0.6));
  const out = join(home, 'cut.ndjson');
  const { status, stderr } = await runCli(['run', cut, '--model', model, '--once', '--no-server', '--out', out], home);
  expect(stderr).toContain('ERR_SOURCE_TRUNCATED');
  expect(status).toBe(1);
  const frames = readFileSync(out, 'utf8').split('\n').filter((line) => line.startsWith('{"type":"frame"'));
  expect(frames.length).toBeGreaterThan(20);
  expect(frames.length).toBeLessThan(100);
});

test('a full disk ends a lossless run with its code', async () => {
  const { status, stderr } = await runCli(['run', clip, '--model', model, '--once', '--no-server', '--out', '/dev/full'], home);
  expect(stderr).toContain('ERR_DISK_FULL');
  expect(status).toBe(1);
});

test('nothing was written beside the model that was only read', () => {
  const manifest = JSON.parse(readFileSync(join(model, 'manifest.json'), 'utf8')) as { sha256: string };
  expect(createHash('sha256').update(readFileSync(join(model, 'model.onnx'))).digest('hex')).toBe(manifest.sha256);
});
