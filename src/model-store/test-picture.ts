import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { AppError } from '../core/errors.js';
import { fitImage, scaledSize } from '../core/image-fit.js';
import type { ModelInput } from '../core/manifest.js';
import type { FittedPicture } from '../core/picture-set.js';
import type { Size } from '../core/size.js';
import { readInput } from './files.js';

/** A picture that a model is tried on. */
export interface TestPicture {
  /** For people: the file's name, or what the package's own shows. */
  readonly name: string;
  readonly size: Size;
  /** Packed RGB. */
  readonly rgb: Uint8Array;
}

const SHIPPED = { street: 'self-check.jpg', face: 'self-check-face.jpg' } as const;

/** The package's own picture: a street with cars, people and a coach, or a face for models that know nothing else. */
export function shippedTestPicture(labels: readonly string[] | undefined): Promise<TestPicture> {
  const isFaces = labels?.length === 1 && /face/i.test(labels[0]!);
  const path = fileURLToPath(new URL(`../../streams/demo/${isFaces ? SHIPPED.face : SHIPPED.street}`, import.meta.url));
  return readTestPicture(path);
}

/** @throws AppError ERR_FILE_NOT_FOUND, ERR_SOURCE_FORMAT where it is no picture. */
export async function readTestPicture(path: string): Promise<TestPicture> {
  const bytes = await readInput(path);
  try {
    const { data, info } = await sharp(bytes).rotate().toColourspace('srgb').removeAlpha().raw().toBuffer({ resolveWithObject: true });
    return { name: basename(path), size: { width: info.width, height: info.height }, rgb: new Uint8Array(data) };
  } catch (cause) {
    throw new AppError('ERR_SOURCE_FORMAT', `${path} is no picture that can be read: ${(cause as Error).message}`, { cause, fix: 'Give a JPEG, PNG or WebP picture.' });
  }
}

/** Channels of packed RGB in the order of a frame's planes: G, B, R. */
const PLANE_CHANNELS = [1, 2, 0];

/** Puts a picture into a model's input as a source does: scaled, padded, planes G, B, R. */
export async function fitPicture({ size, rgb }: TestPicture, { width, height, fit: mode, padValue }: ModelInput): Promise<FittedPicture> {
  const fit = fitImage(size, { width, height }, mode);
  const inner = scaledSize(size, { width, height }, mode);
  const scaled = await sharp(rgb, { raw: { ...size, channels: 3 } }).resize(inner.width, inner.height, { fit: 'fill', kernel: 'linear' }).raw().toBuffer();
  const pixels = new Uint8Array(3 * width * height).fill(padValue);
  for (const [plane, channel] of PLANE_CHANNELS.entries()) {
    for (let y = 0; y < inner.height; y += 1) {
      const to = (plane * height + y + fit.padY) * width + fit.padX;
      for (let x = 0; x < inner.width; x += 1) pixels[to + x] = scaled[3 * (y * inner.width + x) + channel]!;
    }
  }
  return { imageId: 0, pixels, fit, sourceSize: size };
}

/** An object that stands in a picture. */
export interface KnownObject {
  /** Names that models give it. */
  readonly labels: readonly string[];
  /** Pixels of the picture. */
  readonly xyxy: readonly [number, number, number, number];
}

const PERSON = ['person', 'pedestrian', 'people', 'man', 'woman'];
const CAR = ['car', 'vehicle', 'truck'];

/** Measured by eye in the package's own pictures; small and half-hidden objects are left out. */
const OBJECTS: Readonly<Record<string, readonly KnownObject[]>> = {
  [SHIPPED.street]: [
    { labels: ['bus', 'truck', 'train', 'vehicle', 'coach'], xyxy: [397, 153, 694, 409] },
    { labels: CAR, xyxy: [920, 294, 1138, 417] },
    { labels: CAR, xyxy: [774, 261, 914, 344] },
    { labels: CAR, xyxy: [1186, 386, 1280, 512] },
    { labels: CAR, xyxy: [306, 173, 358, 210] },
    { labels: PERSON, xyxy: [105, 372, 141, 494] },
    { labels: PERSON, xyxy: [185, 265, 217, 361] },
    { labels: PERSON, xyxy: [253, 310, 283, 412] },
    { labels: PERSON, xyxy: [952, 228, 985, 309] },
    { labels: PERSON, xyxy: [1222, 291, 1252, 385] },
  ],
  [SHIPPED.face]: [{ labels: ['face', 'head'], xyxy: [214, 92, 340, 232] }],
};

/** What stands in one of the package's own pictures of those classes that a model knows; empty for other pictures. */
export function knownObjects({ name }: TestPicture, labels: readonly string[]): readonly KnownObject[] {
  return (OBJECTS[name] ?? []).filter((object) => object.labels.some((label) => labels.includes(label)));
}
