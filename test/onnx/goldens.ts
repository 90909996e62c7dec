import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import type { ReadShard } from '../../src/onnx/import/tfjs-weights.js';
import { pseudoRandom } from './support.js';

export type Sample = readonly [index: number, value: number];

export interface CenternetGolden {
  readonly tolerance: { readonly px: number; readonly score: number; readonly map: number };
  readonly cases: Readonly<Record<string, { readonly rows: readonly (readonly number[])[]; readonly wh: readonly Sample[]; readonly keypoints: readonly Sample[] }>>;
}

export interface TinyFaceGolden {
  readonly tolerance: { readonly map: number };
  /** `shape` is TensorFlow's, as are the indices of the samples. */
  readonly cases: Readonly<Record<string, { readonly shape: readonly number[]; readonly grid: readonly Sample[] }>>;
}

export function readGolden(name: string): unknown {
  return JSON.parse(readFileSync(fileURLToPath(new URL(`../golden/${name}.json`, import.meta.url)), 'utf8'));
}

const PACKAGES = dirname(dirname(dirname(createRequire(import.meta.url).resolve('@vladmandic/face-api'))));

/** A file of an npm package below @vladmandic. */
export function packageFile(path: string): Buffer {
  return readFileSync(join(PACKAGES, path));
}

export function packageShards(folder: string): ReadShard {
  return (path) => packageFile(`${folder}/${path}`);
}

/** The inputs that the goldens were made with: packed RGB. */
export async function goldenPicture(name: string, size: number): Promise<Uint8Array> {
  if (name === 'noise') return Uint8Array.from(pseudoRandom(3 * size * size, 7), (value) => Math.floor(value * 256));
  return new Uint8Array(await sharp(packageFile('face-api/demo/sample1.jpg')).resize(size, size, { fit: 'fill' }).removeAlpha().raw().toBuffer());
}
