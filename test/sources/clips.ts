import { cachedFfmpegOutput } from '../fixtures/ffmpeg-cache.js';

/** How a clip is encoded: name of the container and the encoder's options. */
export const CLIP_KINDS = {
  mp4: ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-pix_fmt', 'yuv420p'],
  avi: ['-c:v', 'mpeg4', '-qscale:v', '4'],
  mkv: ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p'],
  ts: ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p'],
} as const;

export interface ClipOptions {
  readonly kind: keyof typeof CLIP_KINDS;
  readonly frames: number;
  readonly width?: number;
  readonly height?: number;
  readonly fps?: number;
  /** lavfi source; a moving test picture where absent. */
  readonly lavfi?: string;
  readonly outputOptions?: readonly string[];
}

/** A clip that ffmpeg renders once and keeps in the temporary folder. Don't write to it. */
export function clip({ kind, frames, width = 160, height = 120, fps = 25, lavfi, outputOptions = [] }: ClipOptions): Promise<string> {
  const picture = lavfi ?? `testsrc2=size=${width}x${height}:rate=${fps}`;
  return cachedFfmpegOutput(['-f', 'lavfi', '-i', picture, '-frames:v', `${frames}`, ...CLIP_KINDS[kind], ...outputOptions], [], kind);
}
