import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { followRegion } from '../../../src/guard/time/follow-region.js';
import { regionBoxIou, type RegionBox } from '../../../src/guard/time/region-box.js';
import { describeRegion, updateTemplate } from '../../../src/guard/time/region-template.js';
import { advanceTrack, predictBox, startTrack, type RegionTrack } from '../../../src/guard/time/region-track.js';
import { missingShared, sharedFixture, SHARED_FIXTURES } from '../../fixtures/index.js';
import { cachedFfmpegOutput } from '../../fixtures/ffmpeg-cache.js';
import { paste, randomTexture } from './scene.js';

const SIZE = { width: 320, height: 320 };
const FRAME_BYTES = 3 * SIZE.width * SIZE.height;
const FRAMES = 150;
const FRAME_US = 100_000;

const video = sharedFixture('vtest');
const truthFile = sharedFixture('vtestTruth');

/** A person in one frame, in pixels of the model input. */
interface Person {
  readonly id: number;
  readonly box: RegionBox;
  /** Where a patch would be: a square in the recording, a quarter of the person's diagonal. */
  readonly patch: RegionBox;
}

/** By frame, those in front last. */
function readPeople(file: string): Person[][] {
  const frames = Array.from({ length: FRAMES }, (): (Person & { foot: number })[] => []);
  for (const line of readFileSync(file, 'utf8').trim().split('\n')) {
    const [frame, id, left, top, width, height] = line.split(',').map(Number) as [number, number, number, number, number, number];
    const [scaleX, scaleY] = [SIZE.width / 768, SIZE.height / 576];
    const side = 0.25 * Math.hypot(width, height);
    frames[frame - 1]?.push({
      id,
      foot: top + height,
      box: { centreX: (left + width / 2) * scaleX, centreY: (top + height / 2) * scaleY, width: width * scaleX, height: height * scaleY },
      patch: { centreX: (left + width / 2) * scaleX, centreY: (top + 0.42 * height) * scaleY, width: side * scaleX, height: side * scaleY },
    });
  }
  return frames.map((people) => people.sort((a, b) => a.foot - b.foot));
}

async function readFrames(file: string): Promise<(index: number) => Uint8Array> {
  const filter = `scale=${SIZE.width}:${SIZE.height}:flags=area`;
  const raw = readFileSync(await cachedFfmpegOutput(['-i', file, '-vf', filter, '-frames:v', String(FRAMES), '-pix_fmt', 'gbrp', '-f', 'rawvideo'], [file], 'gbrp'));
  expect(raw.length).toBe(FRAMES * FRAME_BYTES);
  return (index) => Uint8Array.from(raw.subarray(index * FRAME_BYTES, (index + 1) * FRAME_BYTES));
}

function isWhole({ centreX, centreY, width, height }: RegionBox): boolean {
  return centreX >= width / 2 && centreY >= height / 2 && centreX <= SIZE.width - width / 2 && centreY <= SIZE.height - height / 2;
}

/** Nobody stands before it; `people` are in their order from behind. */
function isFree({ id, patch }: Person, people: readonly Person[]): boolean {
  return people.slice(people.findIndex((person) => person.id === id) + 1).every(({ box }) => regionBoxIou(box, patch) === 0);
}

/** Follows the patch place of everybody from the first frame in which it is free; begins anew where a track has ended. */
function followAll(people: readonly Person[][], frame: (index: number) => Uint8Array, visit: (track: RegionTrack, person: Person, people: readonly Person[]) => void): void {
  const followed = new Map<number, { track: RegionTrack; template: ReturnType<typeof describeRegion> }>();
  people.forEach((all, index) => {
    const [pixels, ptsUs] = [frame(index), index * FRAME_US];
    for (const person of all) {
      const known = followed.get(person.id);
      if (!known || known.track.phase === 'ended') {
        if (isWhole(person.patch) && isFree(person, all)) followed.set(person.id, { track: startTrack(person.id, person.patch, ptsUs), template: describeRegion(pixels, SIZE, person.patch) });
        continue;
      }
      const found = followRegion(pixels, SIZE, known.template, predictBox(known.track, ptsUs));
      const track = advanceTrack(known.track, { ptsUs, ...found }, SIZE);
      followed.set(person.id, { track, template: track.missedFrames === 0 ? updateTemplate(known.template, found.seen, found.similarity) : known.template });
      if (track.phase !== 'ended') visit(track, person, all);
    }
  });
}

describe.skipIf(!video || !truthFile)(`people who walk (${video && truthFile ? SHARED_FIXTURES.vtest.origin : missingShared(SHARED_FIXTURES.vtest.path)})`, () => {
  test('patches that they carry are followed, on their heels, as long as they are free', async () => {
    const people = readPeople(truthFile!);
    const frame = await readFrames(video!);
    const patch = randomTexture(11, 5);
    const carried = (index: number): Uint8Array => {
      const pixels = frame(index);
      for (const person of people[index]!) paste(pixels, SIZE, patch, person.patch);
      return pixels;
    };
    let free = 0;
    let close = 0;
    followAll(people, carried, (track, person, all) => {
      if (!isFree(person, all)) return;
      free += 1;
      // They all carry the same: where two meet, one may go on with the other's.
      if (all.some(({ patch: other }) => regionBoxIou(track.box, other) >= 0.6)) close += 1;
    });
    expect(free).toBeGreaterThan(500);
    expect(close / free).toBeGreaterThan(0.9);
  });

  // Plain coats and a truth that lags behind the picture by half a patch now and then: no more than "on the person" can be asked for.
  test('coats are followed for three seconds without losing the person', async () => {
    const people = readPeople(truthFile!);
    let young = 0;
    let onPerson = 0;
    followAll(people, await readFrames(video!), ({ ageFrames, box }, { box: person }) => {
      if (ageFrames > 30) return;
      young += 1;
      if (Math.abs(box.centreX - person.centreX) < 0.75 * person.width && Math.abs(box.centreY - person.centreY) < person.height / 2) onPerson += 1;
    });
    expect(young).toBeGreaterThan(150);
    expect(onPerson / young).toBeGreaterThan(0.8);
  });
});
