import type { ModelManifest } from '../../core/manifest.js';
import type { HeadScanner } from '../head-scanner.js';
import { sigmoid } from '../logit.js';
import { createAnchorGridScanner } from './anchor-grid.js';
import { addSigmoidClasses } from './darknet.js';

/** YOLOv5's centres reach half a cell beyond their own: 2 * sigmoid - 0.5. */
const SCALE_XY = 2;

/** YOLOv5 heads before their decoding, raw: as Darknet's, but for centres that reach further and sizes up to four times the anchor. */
export function createYolov5RawScanner(manifest: ModelManifest): HeadScanner {
  return createAnchorGridScanner(manifest, addSigmoidClasses, { sizeFactor, scaleXy: SCALE_XY });
}

function sizeFactor(logit: number): number {
  return (2 * sigmoid(logit)) ** 2;
}
