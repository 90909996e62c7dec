import { describe, it } from 'vitest';
import { ffmpegBinaries } from '../fixtures/ffmpeg-cache.js';
import { describeDecoding } from './decoding.js';

if (ffmpegBinaries().system) describeDecoding('system', false);
else describe('decoding with the system ffmpeg', () => it.skip('needs an ffmpeg on PATH', () => undefined));
