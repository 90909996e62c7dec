import { workerData } from 'node:worker_threads';
import { monotonicMs } from '../core/clock.js';
import type { Detections } from '../core/detections.js';
import type { Size } from '../core/frame.js';
import type { ImageFit } from '../core/image-fit.js';
import { createStepClock } from '../inference/emulated-speed.js';
import { serveRequests } from '../inference/serve-requests.js';
import type { DecodeThresholds } from './decoder.js';
import { type DetectorModel, loadDetector, memoryOf } from './detector-session.js';
import { fitFrame, fittedFit, planFitting } from './fit-frame.js';
import { planScaling, scaleFit, scaleFrame } from './scale-frame.js';

export interface DetectRequest {
  /** Shared memory: the worker copies it into the model's input when its turn comes. */
  readonly pixels: Uint8Array;
  readonly fit: ImageFit;
  readonly sourceSize: Size;
  readonly thresholds: DecodeThresholds;
}

/** Monotonic milliseconds. */
export interface DetectResponse {
  readonly detections: Detections;
  readonly startedMs: number;
  readonly inferredMs: number;
  readonly decodedMs: number;
  readonly endedMs: number;
}

await serveRequests<DetectRequest, DetectResponse>(async () => {
  const model = workerData as DetectorModel;
  const { session, decoder } = await loadDetector(model);
  const scaling = scalingOf(model);
  const stepEnd = createStepClock(model.emulatedSpeed);
  return {
    handle: async ({ pixels, fit, sourceSize, thresholds }) => {
      const startedMs = monotonicMs();
      const outputs = await (scaling ? session.runFilled((input) => scaling.fill(pixels, input)) : session.run(pixels));
      const inferredMs = stepEnd(startedMs, 'infer');
      decoder.scan(outputs, thresholds);
      const decodedMs = stepEnd(inferredMs, 'decode');
      const detections = decoder.select(thresholds, scaling ? scaling.fitOf(fit) : fit, sourceSize);
      return { detections, startedMs, inferredMs, decodedMs, endedMs: stepEnd(decodedMs, 'nms') };
    },
    transfer: ({ detections }) => memoryOf(detections),
  };
});

/** How frames become the model's input. */
interface Scaling {
  fill(frame: Uint8Array, input: Uint8Array): void;
  /** Where the source picture lies in the input. */
  fitOf(frame: ImageFit): ImageFit;
}

/** Undefined where frames come as the model wants them. */
function scalingOf({ frameSize, isFrameWhole, manifest: { input } }: DetectorModel): Scaling | undefined {
  if (!frameSize || (frameSize.width === input.width && frameSize.height === input.height)) return undefined;
  const size = { width: input.width, height: input.height };
  if (isFrameWhole) {
    const fitting = planFitting(frameSize, size, input.fit);
    return { fill: (frame, out) => fitFrame(frame, fitting, out, input.padValue), fitOf: (fit) => fittedFit(fit, fitting) };
  }
  const scaling = planScaling(frameSize, size);
  return { fill: (frame, out) => scaleFrame(frame, scaling, out), fitOf: (fit) => scaleFit(fit, scaling) };
}
