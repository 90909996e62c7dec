import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import type { Size } from '../../core/size.js';
import type { StereoRig } from '../../core/stereo-rig.js';
import type { RenderedPair } from '../../stereo-scenes/render-pair.js';

/** KITTI 2015's folders, as its training set has them. */
export const PAIR_FOLDERS = { left: 'image_2', right: 'image_3', disparity: 'disp_occ_0', calibration: 'calib' } as const;

/** Noise hardly gets smaller by trying; this takes a third of the default's time. */
const PNG_EFFORT = { compressionLevel: 3, adaptiveFiltering: false } as const;

/** `000012_10.png`, as KITTI names the first frame of scene 12. */
export function pictureName(index: number): string {
  return `${sceneName(index)}_10.png`;
}

function sceneName(index: number): string {
  return String(index).padStart(6, '0');
}

/** Writes a pair, its disparity and its calibration below a folder that has KITTI's folders. */
export async function writePair(folder: string, index: number, rig: StereoRig, { left, right, disparityPx }: RenderedPair): Promise<void> {
  const name = pictureName(index);
  await Promise.all([
    writeColour(join(folder, PAIR_FOLDERS.left, name), left, rig.size),
    writeColour(join(folder, PAIR_FOLDERS.right, name), right, rig.size),
    writeDisparity(join(folder, PAIR_FOLDERS.disparity, name), disparityPx, rig.size),
    writeFile(join(folder, PAIR_FOLDERS.calibration, `${sceneName(index)}.txt`), calibrationText(rig)),
  ]);
}

async function writeColour(path: string, pixels: Uint8Array, { width, height }: Size): Promise<void> {
  await sharp(pixels, { raw: { width, height, channels: 3 } }).png(PNG_EFFORT).toFile(path);
}

async function writeDisparity(path: string, disparityPx: Float32Array, { width, height }: Size): Promise<void> {
  await sharp(disparityCodes(disparityPx), { raw: { width, height, channels: 1 } }).toColourspace('grey16').png(PNG_EFFORT).toFile(path);
}

/** KITTI's 16 bits: pixels times 256, 0 where there is none. What is too large for them is none, too: it isn't known which one it was. */
export function disparityCodes(disparityPx: Float32Array): Uint16Array {
  return Uint16Array.from(disparityPx, (disparity) => {
    const code = Math.round(256 * disparity);
    return code > 0xffff ? 0 : code;
  });
}

/** Projection matrices of both colour cameras, from the left one's axes. */
function calibrationText({ focalPx, centre, centreShiftPx, baselineM }: StereoRig): string {
  const line = (name: string, x: number, shift: number) => `${name}: ${[focalPx, 0, x, shift, 0, focalPx, centre.y, 0, 0, 0, 1, 0].map((value) => value.toExponential(12)).join(' ')}\n`;
  return line('P2', centre.x, 0) + line('P3', centre.x + centreShiftPx, -focalPx * baselineM);
}
