import type { FrameFormat } from '../core/frame.js';

/**
 * The ffmpeg filter that puts a picture of any size into the model's input as planar G, B, R.
 *
 * It is `fitImage` written as ffmpeg expressions, since the size of a camera's picture isn't known beforehand and may change: both
 * compute in doubles and in the same order, so the whole-pixel sizes and paddings are equal and boxes come back exactly.
 *
 * @param instance name of the scale filter, by which its log line (with the true picture size) is found.
 */
export function fitFilter({ size, fit, padValue }: FrameFormat, instance: string): string {
  const scale = (width: string, height: string): string => `scale@${instance}=w=${width}:h=${height}:flags=bilinear,format=gbrp`;
  if (fit === 'stretch') return scale(`${size.width}`, `${size.height}`);
  const factor = `min(${size.width}/iw,${size.height}/ih)`;
  // JavaScript's Math.round is floor(x + 0.5).
  const scaled = (side: 'iw' | 'ih', limit: number): string => `'max(1,min(${limit},floor(${side}*${factor}+0.5)))'`;
  const grey = padValue.toString(16).padStart(2, '0').repeat(3);
  const [x, y] = fit === 'letterbox' ? ["'floor((ow-iw)/2)'", "'floor((oh-ih)/2)'"] : ['0', '0'];
  return `${scale(scaled('iw', size.width), scaled('ih', size.height))},pad=w=${size.width}:h=${size.height}:x=${x}:y=${y}:color=0x${grey}`;
}
