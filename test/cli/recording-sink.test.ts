import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { RecordingSink } from '../../src/cli/recording-sink.js';
import { parseNdjson } from '../fixtures/cli.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { fakeDelivered, fakeFrame, fakeStream } from '../server/fixture.js';

interface Line {
  readonly type: string;
  readonly seq: number;
  readonly image: { readonly width: number; readonly height: number; readonly file: string };
  readonly detections: readonly { readonly bbox: readonly number[] }[];
}

const BEGIN = Date.UTC(2026, 4, 6, 7, 8, 9, 123);
const XYXY = Float32Array.of(0, 0, 1920, 1080, 480, 270, 960, 540);

/** Frames every 40 ms, recorded to a folder. */
async function record(folder: string, frames: number, everyMs: number, name = 'yard', epochMs = BEGIN): Promise<{ lines: Line[]; inUse: number }> {
  const sink = await RecordingSink.open(folder, everyMs, epochMs);
  const stream = fakeStream(name);
  for (let sequence = 0; sequence < frames; sequence += 1) {
    const frame = fakeFrame(stream, sequence, { sourceSize: { width: 1920, height: 1080 } });
    await sink.deliver(fakeDelivered(stream, frame, { xyxy: XYXY }));
    frame.release();
  }
  await sink.close();
  const file = readdirSync(folder).find((entry) => entry.endsWith('.ndjson'))!;
  return { lines: parseNdjson(readFileSync(join(folder, file), 'utf8')) as unknown as Line[], inUse: stream.buffers.inUse };
}

describe('a recording', () => {
  test('keeps a picture now and then, and what was found in it in its own pixels', async () => {
    const folder = tempFolder();
    const { lines, inUse } = await record(folder, 6, 100);
    expect(lines.map(({ type, seq }) => `${type} ${seq}`)).toEqual(['frame 0', 'frame 3']);
    expect(readdirSync(join(folder, 'images')).toSorted()).toEqual(lines.map(({ image }) => image.file));
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
    expect(readdirSync(join(folder, 'images')).toSorted()).toEqual(['.._gate_2-20260506T070909Z-00000000.jpg', 'yard-20260506T070809Z-00000000.jpg']);
    expect(readdirSync(folder).filter((name) => name.endsWith('.ndjson')).toSorted()).toEqual(['boxes-20260506T070809Z.ndjson', 'boxes-20260506T070909Z.ndjson']);
  });

  test('a place that can\'t be written is told before the stream begins', async () => {
    const file = join(tempFolder(), 'file');
    writeFileSync(file, '');
    await expect(RecordingSink.open(file, 100)).rejects.toMatchObject({ code: 'ERR_OUTPUT_WRITE' });
  });
});
