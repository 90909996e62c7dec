import type { ModelManifest } from '../../core/manifest.js';
import type { HeadScanner } from '../head-scanner.js';
import { createColumnScanner } from './rows.js';

/** YOLOv10 exports, end to end: `[1, 300, 6]` of x1, y1, x2, y2 in pixels, score, class. */
export function createYolov10Scanner(manifest: ModelManifest): HeadScanner {
  return createColumnScanner(manifest, ['x1', 'y1', 'x2', 'y2', 'score', 'class']);
}
