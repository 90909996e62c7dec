import { ffmpegBinaries } from '../fixtures/ffmpeg-cache.js';
import { describeDecoding } from './decoding.js';

// The search runs at the first use, in the process of this file alone.
process.env['LYNCEUS_FFMPEG'] = ffmpegBinaries().packaged;

describeDecoding('packaged', true);
