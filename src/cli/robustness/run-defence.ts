import type { StageDefinition, StreamDefinition } from '../../config/stream-definition.js';
import type { Logger } from '../../core/logger.js';
import type { FrameResult, StageTiming } from '../../core/result.js';
import type { Sink } from '../../core/sink.js';
import type { CocoCategory } from '../../evaluation/coco-dataset.js';
import { categoryIdsOfLabels } from '../../evaluation/coco-results.js';
import type { FoundBox, PictureOutcome, RunOutcome } from '../../evaluation/robustness/run-outcome.js';
import type { ModelStore } from '../../model-store/store.js';
import { Pipeline } from '../pipeline.js';

/** What stands between an attack and the results. */
export type Defence = 'off' | 'lgs' | 'guard-without-time' | 'guard';

export interface DetectorSettings {
  readonly model: string;
  /** From which score on boxes are kept: low, for the whole precision-recall curve. */
  readonly confidence: number;
  readonly iou: number | undefined;
  readonly bestClass: boolean;
}

export interface DefenceRun {
  /** Of a dataset. */
  readonly folder: string;
  readonly detector: DetectorSettings;
  readonly defence: Defence;
  /** Path of a clean profile where the model has none of its own. */
  readonly profile: string | undefined;
  readonly categories: readonly CocoCategory[];
  readonly store: ModelStore;
  readonly log: Logger;
  readonly onPicture: (done: number) => void;
  /** Ends the run early. */
  readonly signal?: AbortSignal;
}

/** COCO counts no more detections of a picture. */
const COCO_MAX_DETECTIONS = 100;
const DETECT = 'detect';
/** Of the time in the detector's stage: what it costs without a defence, too. */
const DETECTION_PARTS = ['infer', 'decode', 'nms'];

/** Runs the pipeline, as any stream does, over a dataset. @throws AppError as `Pipeline`; the signal's reason */
export async function runDefence(run: DefenceRun): Promise<RunOutcome> {
  const { store, log, signal } = run;
  signal?.throwIfAborted();
  const collector = new OutcomeCollector(run);
  const pipeline = await Pipeline.prepare([definitionOf(run)], { store, log, sinksFor: () => [collector] });
  const stop = (): void => void pipeline.stop();
  signal?.addEventListener('abort', stop);
  try {
    await pipeline.start();
    // Before the stream was there, nothing could be stopped.
    if (signal?.aborted) stop();
    await pipeline.streams[0]!.done;
  } finally {
    signal?.removeEventListener('abort', stop);
    await pipeline.close();
  }
  signal?.throwIfAborted();
  return collector.outcome;
}

function definitionOf({ folder, detector, defence, profile }: DefenceRun): StreamDefinition {
  const { model, confidence, iou, bestClass } = detector;
  const detect: StageDefinition = {
    id: DETECT,
    kind: 'detector.yolo',
    options: {
      model,
      // One picture after the other on all cores: times of pictures that share the cores would be the neighbours', too.
      mode: 'latency',
      confidenceThreshold: confidence,
      maxDetections: COCO_MAX_DETECTIONS,
      multiLabel: !bestClass,
      ...(iou === undefined ? {} : { iouThreshold: iou }),
    },
  };
  const guard: StageDefinition = {
    id: 'guard',
    kind: 'guard.patch',
    options: { method: defence === 'lgs' ? 'smooth' : 'verify', time: defence === 'guard', ...(profile === undefined ? {} : { profile }) },
  };
  return { name: 'eval', source: { kind: 'dataset', path: folder }, stages: defence === 'off' ? [detect] : [detect, guard] };
}

/** Keeps what was made of every picture. */
class OutcomeCollector implements Sink {
  readonly kind = 'collector';
  readonly outcome: PictureOutcome[] = [];
  readonly #run: DefenceRun;
  #categoryIds: readonly (number | undefined)[] | undefined;

  constructor(run: DefenceRun) {
    this.#run = run;
  }

  deliver({ result, labels, timings }: Parameters<Sink['deliver']>[0]): void {
    this.#categoryIds ??= categoryIdsOfLabels(labels, this.#run.categories);
    const { frame, guard } = result;
    if (!frame.image) return;
    this.outcome.push({
      imageId: frame.image.id,
      boxes: boxesOf(result, this.#categoryIds),
      ...(guard ? { guard: { state: guard.state, ...(guard.reason === undefined ? {} : { reason: guard.reason }), patches: guard.patches, extraPasses: guard.extraPasses } } : {}),
      ...costsOf(timings),
    });
    this.#run.onPicture(this.outcome.length);
  }

  close(): void {
    // Nothing is open.
  }
}

function boxesOf({ detections, guard }: FrameResult, categoryIds: readonly (number | undefined)[]): FoundBox[] {
  if (!detections) return [];
  const { count, xyxy, confidence, classId } = detections;
  return Array.from({ length: count }, (_, i) => ({
    xyxy: [xyxy[4 * i]!, xyxy[4 * i + 1]!, xyxy[4 * i + 2]!, xyxy[4 * i + 3]!],
    score: confidence[i]!,
    categoryId: categoryIds[classId[i]!],
    ...(guard?.origins[i] === 'recovered' ? { recovered: true } : {}),
  }));
}

/**
 * The work in the stages: the sum of their parts. Waiting isn't in it, also not that of a guard's extra pass for the worker that another
 * picture has (where pictures may overlap).
 */
function costsOf(timings: readonly StageTiming[]): Pick<PictureOutcome, 'serviceMs' | 'defenceMs'> {
  let serviceMs = 0;
  let defenceMs = 0;
  for (const { stage, parts } of timings) {
    for (const { name, startMs, endMs } of parts) {
      serviceMs += endMs - startMs;
      if (stage !== DETECT || !DETECTION_PARTS.includes(name)) defenceMs += endMs - startMs;
    }
  }
  return { serviceMs, defenceMs };
}
