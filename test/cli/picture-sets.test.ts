import { readdirSync, readFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { anyPictures, labelledPictures } from '../../src/cli/picture-sets.js';
import type { FrameFormat } from '../../src/core/frame.js';
import type { FittedPicture, PictureSet } from '../../src/core/picture-set.js';
import { makeClip } from '../fixtures/index.js';
import { tempFolder } from '../fixtures/temp-folder.js';

const folder = tempFolder();
const FORMAT: FrameFormat = { size: { width: 32, height: 16 }, fit: 'stretch', padValue: 0 };

/** Ten pictures; the n-th is all of blue n * 20. */
beforeAll(async () => {
  mkdirSync(join(folder, 'images'));
  const images = Array.from({ length: 10 }, (_, i) => ({ id: 100 + i, file_name: `${i}.png`, width: 40, height: 20 }));
  for (const [i, { file_name: name }] of images.entries()) await sharp({ create: { width: 40, height: 20, channels: 3, background: { r: 0, g: 0, b: i * 20 } } }).png().toFile(join(folder, 'images', name));
  const annotations = images.map(({ id }) => ({ id, image_id: id, category_id: 1, bbox: [1, 2, 3, 4], area: 12, iscrowd: 0 }));
  writeFileSync(join(folder, 'instances.json'), JSON.stringify({ images, annotations, categories: [{ id: 1, name: 'cat' }] }));
});

async function all(set: PictureSet): Promise<FittedPicture[]> {
  const pictures: FittedPicture[] = [];
  for await (const picture of set.read(FORMAT)) pictures.push(picture);
  return pictures;
}

/** Programs that this process started and that are still there. */
function children(): string[] {
  const statOf = (pid: string): string[] => {
    try {
      return readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^\d+ \(.*\) /, '').split(' ');
    } catch {
      return [];
    }
  };
  return readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && statOf(pid)[1] === String(process.pid) && statOf(pid)[0] !== 'Z');
}

describe('labelledPictures', () => {
  it('gives every picture as a model takes it, with its id and its truth, as often as asked', async () => {
    const set = await labelledPictures(folder);
    const pictures = await all(set);
    expect(pictures.map(({ imageId }) => imageId)).toEqual(Array.from({ length: 10 }, (_, i) => 100 + i));
    expect(pictures[3]!.sourceSize).toEqual({ width: 40, height: 20 });
    // Planes G, B, R.
    expect([0, 512, 1024].map((start) => pictures[3]!.pixels[start + 7])).toEqual([0, 60, 0]);
    expect(pictures[3]!.pixels).toHaveLength(3 * 512);
    expect(await all(set)).toEqual(pictures);
    expect({ count: set.count, description: set.description, boxes: set.truth.annotations.length }).toMatchObject({ count: 10, description: expect.stringContaining('10 pictures') as string, boxes: 10 });
  });

  it('a part of them has a part of the truth', async () => {
    const set = await labelledPictures(folder, (index) => index % 2 === 1);
    expect((await all(set)).map(({ imageId }) => imageId)).toEqual([101, 103, 105, 107, 109]);
    expect(set.truth.annotations.map((box) => box.image_id)).toEqual([101, 103, 105, 107, 109]);
    expect(set.truth.images).toHaveLength(5);
    expect(set.description).toContain('5 of 10 pictures');
  });

  it('pictures without boxes are nothing to score on', async () => {
    await expect(labelledPictures(join(folder, 'images'))).rejects.toMatchObject({ code: 'ERR_DATASET_INVALID' });
  });
});

describe('anyPictures', () => {
  it('takes a folder without truth, evenly thinned out', async () => {
    const set = await anyPictures(join(folder, 'images'), 5);
    const blues = (await all(set)).map(({ pixels }) => pixels[512 + 7]);
    expect(set.count).toBe(5);
    expect(blues).toEqual([0, 40, 80, 120, 160]);
  });

  it('takes the first frames of a video, and ffmpeg goes when they are read', async () => {
    const set = await anyPictures(await makeClip({ frames: 12 }), 5);
    const pictures = await all(set);
    expect(set.count).toBe(5);
    expect(pictures.map(({ imageId }) => imageId)).toEqual([0, 1, 2, 3, 4]);
    expect(pictures[0]!.pixels.some((value) => value > 0)).toBe(true);
    await expect.poll(children, { timeout: 5000 }).toEqual([]);
  });

  it('takes all of a video where there is no limit', async () => {
    const pictures = await all(await anyPictures(await makeClip({ frames: 12 })));
    expect(pictures).toHaveLength(12);
  });

  it('whoever stops early leaves no ffmpeg behind', async () => {
    const set = await anyPictures(await makeClip({ frames: 12 }));
    for await (const { imageId } of set.read(FORMAT)) if (imageId === 1) break;
    await expect.poll(children, { timeout: 5000 }).toEqual([]);
  });

  it('says at once what cannot be read', async () => {
    await expect(anyPictures(join(folder, 'nothing.mp4'))).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
  });
});
