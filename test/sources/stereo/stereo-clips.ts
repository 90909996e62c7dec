import { cachedFfmpegOutput } from '../../fixtures/ffmpeg-cache.js';
import { drawFrameCounter } from '../../fixtures/rtsp/frame-counter.js';

const ENCODER = ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '0', '-qp', '12', '-pix_fmt', 'yuv420p', '-threads', '1'];

/** Both halves show the number of the frame, and below it red in the first half and blue in the second. */
export function stackedClip(filter: 'hstack' | 'vstack', { frames = 20, width = 160, height = 96 } = {}): Promise<string> {
  const half = (color: string): string => `drawbox=x=0:y=ih/2:w=iw:h=ih/2:color=${color}:t=fill`;
  const graph = `[0:v]${drawFrameCounter()},split[a][b];[a]${half('red')}[l];[b]${half('blue')}[r];[l][r]${filter}`;
  return cachedFfmpegOutput(['-f', 'lavfi', '-i', `testsrc2=size=${width}x${height}:rate=25`, '-filter_complex', graph, '-frames:v', `${frames}`, ...ENCODER], [], 'mp4');
}

/** A clip with numbered frames at 25 a second, of which some are left out, or whose clock is ahead. */
export function oneSide({ frames = 20, without = '0', aheadMs = 0 }: { readonly frames?: number; readonly without?: string; readonly aheadMs?: number } = {}): Promise<string> {
  const filters = `${drawFrameCounter()},trim=end_frame=${frames},select='not(${without})',settb=1/1000,setpts=PTS+${aheadMs}`;
  const source = ['-f', 'lavfi', '-i', 'testsrc2=size=160x96:rate=25', '-vf', filters];
  return cachedFfmpegOutput([...source, '-vsync', 'passthrough', '-enc_time_base', '1:1000', '-copyts', ...ENCODER], [], 'mkv');
}
