import type { StreamDefinition } from '../../config/stream-definition.js';
import { AppError } from '../../core/errors.js';
import type { DeliveredFrame } from '../../core/result.js';
import type { Sink } from '../../core/sink.js';
import type { ModelStore } from '../../model-store/store.js';
import { describeBoxes } from '../../tracking/appearance.js';
import type { DetectedFrame } from '../../tracking/follow.js';
import { createLog } from '../log.js';
import { Pipeline } from '../pipeline.js';
import { progressBar } from '../terminal.js';
import type { MotInput } from './mot-input.js';

export interface DetectRun {
  readonly model: string;
  /** 0 to 1: down to where a tracker wants boxes. */
  readonly confidenceThreshold: number;
  readonly iouThreshold: number | undefined;
  readonly store: ModelStore;
}

export interface DetectedRecording {
  readonly frames: readonly DetectedFrame[];
  readonly labels: readonly string[];
}

/** Runs a detector over the frames that are scored, as any stream does. @throws AppError of the model or the source; ERR_DATASET_INVALID where the recording is too short */
export async function detectFrames(input: MotInput, { model, confidenceThreshold, iouThreshold, store }: DetectRun): Promise<DetectedRecording> {
  const definition: StreamDefinition = {
    name: 'eval',
    source: input.source,
    stages: [{ id: 'detect', kind: 'detector.yolo', options: { model, mode: 'throughput', confidenceThreshold, ...(iouThreshold === undefined ? {} : { iouThreshold }) } }],
  };
  const collector = new FrameCollector(input);
  const pipeline = await Pipeline.prepare([definition], { store, log: createLog('warn'), sinksFor: () => [collector] });
  const progress = progressBar(`eval ${model}`, input.frames.length);
  collector.onFrame = (seen) => progress.update(seen);
  try {
    await pipeline.start();
    const [stream] = pipeline.streams;
    // What comes after the last frame with ground truth isn't scored.
    collector.onComplete = () => void pipeline.stop();
    await stream!.done;
    return { frames: collector.complete(), labels: stream!.labels };
  } finally {
    progress.stop();
    await pipeline.close();
  }
}

/** Keeps the detections of the frames that are scored. */
class FrameCollector implements Sink {
  readonly kind = 'collector';
  onFrame: (seen: number) => void = () => undefined;
  onComplete: () => void = () => undefined;
  readonly #input: MotInput;
  readonly #wanted: ReadonlySet<number>;
  readonly #frames: DetectedFrame[] = [];

  constructor(input: MotInput) {
    this.#input = input;
    this.#wanted = new Set(input.frames);
  }

  deliver({ result: { frame, detections } }: DeliveredFrame): void {
    const number = frame.image?.id ?? frame.sequence + 1;
    if (!detections || !this.#wanted.has(number)) return;
    this.#frames.push({ frame: number, ptsUs: frame.ptsUs, sourceSize: frame.sourceSize, detections: { ...detections, appearance: describeBoxes(frame, detections) } });
    this.onFrame(this.#frames.length);
    if (this.#frames.length === this.#wanted.size) this.onComplete();
  }

  complete(): readonly DetectedFrame[] {
    const { path, truthPath, frames } = this.#input;
    const last = this.#frames.at(-1)?.frame ?? 0;
    if (last < frames.at(-1)!) throw new AppError('ERR_DATASET_INVALID', `${truthPath} has boxes in frame ${frames.at(-1)} but ${path} ends with frame ${last}`, { fix: 'Name the ground truth of this very recording.' });
    return this.#frames;
  }

  close(): void {
    // Nothing is open.
  }
}
