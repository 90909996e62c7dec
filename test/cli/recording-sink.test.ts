import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { RecordingSink } from '../../src/cli/recording-sink.js';
import type { DeliveredFrame } from '../../src/core/result.js';
import { parseNdjson, startCli, tinyModelFolder } from '../fixtures/cli.js';
import { makeClip } from '../fixtures/index.js';
import { RecordingLog } from '../fixtures/recording-log.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { fakeDelivered, fakeFrame, fakeStream, type FakeStream } from '../server/fixture.js';

interface Line {
  readonly type: string;
  readonly seq: number;
  readonly model?: string;
  readonly image: { readonly width: number; readonly height: number; readonly file: string };
  readonly detections: readonly { readonly bbox: readonly number[] }[];
}

const BEGIN = Date.UTC(2026, 4, 6, 7, 8, 9, 123);
const XYXY = Float32Array.of(0, 0, 1920, 1080, 480, 270, 960, 540);

/** A frame of a stream, its number times 40 ms after the first. The receiver gives it back. */
function frameOf(stream: FakeStream, sequence: number): DeliveredFrame {
  return fakeDelivered(stream, fakeFrame(stream, sequence, { sourceSize: { width: 1920, height: 1080 } }), { xyxy: XYXY });
}

async function deliver(sink: RecordingSink, stream: FakeStream, sequence: number): Promise<void> {
  const delivered = frameOf(stream, sequence);
  await sink.deliver(delivered);
  delivered.result.frame.release();
}

/** Frames every 40 ms, recorded to a folder. */
async function record(folder: string, frames: number, everyMs: number, name = 'yard', epochMs = BEGIN): Promise<{ lines: Line[]; inUse: number }> {
  const sink = await RecordingSink.open(folder, { everyMs, epochMs, log: new RecordingLog(), modelOf: (stream) => (stream === 'yard' ? 'tiny' : undefined) });
  const stream = fakeStream(name);
  for (let sequence = 0; sequence < frames; sequence += 1) await deliver(sink, stream, sequence);
  await sink.close();
  return { lines: linesIn(folder), inUse: stream.buffers.inUse };
}

/** Of the first recording in a folder. */
function linesIn(folder: string): Line[] {
  const file = readdirSync(folder).find((entry) => entry.endsWith('.ndjson'))!;
  return parseNdjson(readFileSync(join(folder, file), 'utf8')) as unknown as Line[];
}

function picturesIn(folder: string): string[] {
  return readdirSync(join(folder, 'images')).toSorted();
}

describe('a recording', () => {
  test('keeps a picture now and then, and what was found in it in its own pixels', async () => {
    const folder = tempFolder();
    const { lines, inUse } = await record(folder, 6, 100);
    expect(lines.map(({ type, seq, model }) => `${type} ${seq} ${model}`)).toEqual(['frame 0 tiny', 'frame 3 tiny']);
    expect(picturesIn(folder)).toEqual(lines.map(({ image }) => image.file));
    expect(lines[1]!.image.file).toBe('yard-20260506T070809Z-00000003.jpg');
    for (const { image, detections } of lines) {
      const stored = await sharp(join(folder, 'images', image.file)).metadata();
      expect([stored.width, stored.height]).toEqual([image.width, image.height]);
      expect(image.width).toBeLessThan(1920);
      const [x, y, width, height] = [image.width / 4, image.height / 4, image.width / 4, image.height / 4];
      expect(detections.map(({ bbox }) => bbox.map((value) => Math.round(value)))).toEqual([[0, 0, image.width, image.height], [x, y, width, height].map((value) => Math.round(value))]);
    }
    expect(inUse).toBe(0);
  });

  test('a folder takes several, and streams with any name', async () => {
    const folder = tempFolder();
    await record(folder, 1, 100);
    await record(folder, 1, 100, '../gate 2', BEGIN + 60_000);
    expect(picturesIn(folder)).toEqual(['.._gate_2-20260506T070909Z-00000000.jpg', 'yard-20260506T070809Z-00000000.jpg']);
    expect(readdirSync(folder).filter((name) => name.endsWith('.ndjson')).toSorted()).toEqual(['boxes-20260506T070809Z.ndjson', 'boxes-20260506T070909Z.ndjson']);
  });

  test('a place that can\'t be written is told before the stream begins', async () => {
    const file = join(tempFolder(), 'file');
    writeFileSync(file, '');
    await expect(RecordingSink.open(file, { everyMs: 100, log: new RecordingLog() })).rejects.toMatchObject({ code: 'ERR_OUTPUT_WRITE' });
  });

  test('a stream that waits for nothing passes over what comes while a picture is being kept, and that is no loss', async () => {
    const folder = tempFolder();
    const log = new RecordingLog();
    const sink = await RecordingSink.open(folder, { everyMs: 0, epochMs: BEGIN, log });
    const live = sink.unwaited();
    const stream = fakeStream('yard');
    for (let sequence = 0; sequence < 3; sequence += 1) {
      const delivered = frameOf(stream, sequence);
      expect(live.deliver(delivered)).toBeUndefined();
      delivered.result.frame.release();
    }
    await sink.close();
    expect(linesIn(folder).map(({ seq }) => seq)).toEqual([0]);
    expect(log.lines.map(({ level, message }) => `${level} ${message}`)).toEqual([`info 1 pictures with their boxes are in ${folder}`]);
    expect(stream.buffers.inUse).toBe(0);
  });

  test.skipIf(!existsSync('/dev/full'))('a picture whose line has no room is not there either', async () => {
    const folder = tempFolder();
    symlinkSync('/dev/full', join(folder, 'boxes-20260506T070809Z.ndjson'));
    const log = new RecordingLog();
    const sink = await RecordingSink.open(folder, { everyMs: 0, epochMs: BEGIN, log });
    for (let sequence = 0; sequence < 3; sequence += 1) await deliver(sink, fakeStream('yard'), sequence);
    await sink.close();
    expect(picturesIn(folder)).toEqual([]);
    expect(sink.counts).toEqual({ kept: 0, missed: 3 });
    expect(log.lines.map(({ fields }) => (fields as { code?: string }).code)).toEqual(['ERR_DISK_FULL', 'ERR_DISK_FULL']);
    expect(log.lines[1]!.message).toMatch(/3 could not be kept/);
  });

  test('a folder that is gone is told once, and pictures come again when it is back', async () => {
    const folder = tempFolder();
    const log = new RecordingLog();
    const sink = await RecordingSink.open(folder, { everyMs: 0, epochMs: BEGIN, log });
    const stream = fakeStream('yard');
    rmSync(join(folder, 'images'), { recursive: true });
    for (const sequence of [0, 1]) await deliver(sink, stream, sequence);
    mkdirSync(join(folder, 'images'));
    await deliver(sink, stream, 2);
    await sink.close();
    expect(log.lines.map(({ level }) => level)).toEqual(['error', 'info', 'error']);
    expect(log.lines[0]).toMatchObject({ fields: { code: 'ERR_OUTPUT_WRITE' }, message: expect.stringContaining('ENOENT') as string });
    expect(linesIn(folder).map(({ image }) => image.file)).toEqual(picturesIn(folder));
  });
});

const mounted: string[] = [];
afterAll(() => {
  for (const folder of mounted) {
    execFileSync('umount', ['--lazy', folder]);
    rmdirSync(folder);
  }
});

/** A file system of its own with so much room, and so many inodes where that is said. */
function smallDisk(kib: number, inodes = 1000): string {
  const folder = mkdtempSync(join(tmpdir(), 'lynceus-test-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kib}k,nr_inodes=${inodes},mode=700`, 'lynceus-test', folder], { stdio: 'pipe' });
  } catch (error) {
    rmdirSync(folder);
    throw error;
  }
  mounted.push(folder);
  return folder;
}

/** Why no file system can be mounted here, for the names of tests that need one. */
function whyNot(): string {
  try {
    smallDisk(64);
    return '';
  } catch (error) {
    return ` (skipped: no tmpfs can be mounted here, which needs root: ${String((error as { stderr?: unknown }).stderr ?? error).trim()})`;
  }
}

const skipped = whyNot();

/** Takes all room that is left, but for some pages of 4 KiB. @returns what is to be removed to make room again */
function fill(disk: string, pages: number): string {
  const free = Number(/(\d+)\s*$/.exec(execFileSync('df', ['--output=avail', '-k', disk], { encoding: 'utf8' }))![1]);
  const ballast = join(disk, 'ballast');
  writeFileSync(ballast, Buffer.alloc(Math.max(0, free - 4 * pages) * 1024));
  return ballast;
}

/** What is in a recording has to be whole, however full the disk became. */
async function expectWhole(folder: string, kept: number): Promise<void> {
  const pictures = picturesIn(folder);
  expect(pictures).toHaveLength(kept);
  expect(linesIn(folder).map(({ image }) => image.file)).toEqual(pictures);
  for (const file of pictures) await expect(sharp(join(folder, 'images', file)).raw().toBuffer()).resolves.toBeDefined();
}

describe.skipIf(skipped)(`a full disk${skipped}`, () => {
  // From no room at all to some pictures: whichever of picture, line and name is the one that doesn't fit.
  test.each([0, 1, 2, 3, 5, 8])('with %d pages left is told once, loses no picture that was kept, and records again when there is room', async (pages) => {
    const disk = smallDisk(512);
    const folder = join(disk, 'gate');
    const log = new RecordingLog();
    const sink = await RecordingSink.open(folder, { everyMs: 0, epochMs: BEGIN, log });
    const stream = fakeStream('yard');
    await deliver(sink, stream, 0);
    const ballast = fill(disk, pages);
    for (let sequence = 1; sequence <= 20; sequence += 1) await deliver(sink, stream, sequence);
    const { kept, missed } = sink.counts;
    expect([kept + missed, missed > 10]).toEqual([21, true]);
    await expectWhole(folder, kept);
    expect(log.lines).toMatchObject([{ level: 'error', fields: { code: 'ERR_DISK_FULL' } }]);

    rmSync(ballast);
    for (let sequence = 21; sequence <= 25; sequence += 1) await deliver(sink, stream, sequence);
    await sink.close();
    expect(sink.counts).toEqual({ kept: kept + 5, missed });
    await expectWhole(folder, kept + 5);
    expect(log.lines.slice(1)).toMatchObject([{ level: 'info', fields: { missed } }, { level: 'error', fields: { missed } }]);
    expect(stream.buffers.inUse).toBe(0);
  });

  test('is told before the stream begins where there is none from the start', async () => {
    await expect(RecordingSink.open(join(smallDisk(64, 1), 'gate'), { everyMs: 0, log: new RecordingLog() })).rejects.toMatchObject({ code: 'ERR_DISK_FULL' });
  });

  test('lynceus run goes on detecting', { timeout: 120_000 }, async () => {
    const home = tempFolder();
    const disk = smallDisk(512);
    const folder = join(disk, 'gate');
    const ballast = fill(disk, 12);
    const clip = await makeClip({ frames: 20, container: 'mkv' });
    const out = join(home, 'out.ndjson');
    const run = startCli(['run', clip, '--model', tinyModelFolder(home), '--realtime', '--loop', '--no-server', '--out', out, '--record', folder, '--record-every', '40ms'], home);
    onTestFinished(() => void run.child.kill('SIGKILL'));
    await run.said(/ERR_DISK_FULL/);
    rmSync(ballast);
    await run.said(/pictures are kept again/);
    run.child.kill('SIGTERM');
    const { status, stderr } = await run.finished;
    expect(status).toBe(0);
    const told = stderr.split('\n').filter((line) => line.includes('each picture is tried again'));
    expect(told.length).toBeGreaterThan(0);
    const frames = parseNdjson(readFileSync(out, 'utf8')).filter(({ type }) => type === 'frame');
    const kept = linesIn(folder).map(({ seq }) => seq);
    await expectWhole(folder, kept.length);
    const gap = frames.map(({ seq }) => seq as number).filter((seq) => seq < kept.at(-1)! && !kept.includes(seq));
    expect(gap.length, 'frames were detected in while none could be kept').toBeGreaterThan(0);
  });
});
