import { join } from 'node:path';
import { runFfmpeg } from '../run-ffmpeg.js';
import type { Dataset } from './dataset.js';

/** Where the recording doesn't say. */
const DEFAULT_FRAME_RATE_FPS = 10;

/**
 * Puts the pictures of a recording in MOTChallenge's layout, as `writeDataset` writes it, together as a video: nearly lossless H.264.
 *
 * @throws AppError ERR_FFMPEG_MISSING, ERR_FFMPEG_FAILED
 */
export async function writeVideo(dataset: Dataset, path: string): Promise<void> {
  // ffmpeg's own patterns have a percent sign; the folder's are doubled.
  const pictures = join(dataset.folder.replaceAll('%', '%%'), 'img1', '%06d.png');
  const first = Math.min(...dataset.images.map(({ id }) => id));
  await runFfmpeg(
    {
      inputOptions: ['-f', 'image2', '-framerate', `${dataset.frameRateFps ?? DEFAULT_FRAME_RATE_FPS}`, '-start_number', `${first}`],
      input: `file:${pictures}`,
      // Even sides: most players want 4:2:0.
      options: ['-vf', 'pad=ceil(iw/2)*2:ceil(ih/2)*2,format=yuv420p', '-c:v', 'libx264', '-preset', 'veryfast', '-crf', '12', '-movflags', '+faststart'],
      target: path,
    },
    path,
  );
}
