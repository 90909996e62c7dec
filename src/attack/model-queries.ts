import { workerUrl } from '../core/worker-url.js';
import type { Detections } from '../core/detections.js';
import type { ModelManifest } from '../core/manifest.js';
import type { FittedPicture } from '../core/picture-set.js';
import type { DecodeThresholds } from '../detector/decoder.js';
import type { DetectorModel } from '../detector/detector-session.js';
import type { DetectRequest, DetectResponse } from '../detector/detector-worker.js';
import { ModelWorkers } from '../detector/model-workers.js';
import { GuardService } from '../guard/guard-service.js';
import type { Candidate } from '../guard/passes.js';
import type { GuardProfile, ShallowTap } from '../guard/profile.js';

/** All that an attacker without the model's weights gets of a picture. */
export interface QueryAnswer {
  /** Down to `QUERY_THRESHOLDS`, pixels of the source picture. */
  readonly detections: Detections;
  /** What the guard would look at closely; empty where nobody asked for it. */
  readonly candidates: readonly Candidate[];
}

export type QueryPicture = Pick<FittedPicture, 'pixels' | 'fit' | 'sourceSize'>;

/** Who answers an attacker's questions: a model in worker threads. */
export interface ModelQueries {
  readonly labels: readonly string[];
  /** @throws AppError ERR_INFERENCE_FAILED, ERR_WORKER_DIED */
  run(picture: QueryPicture): Promise<QueryAnswer>;
  /** Once the queries that are out are answered. */
  close(): Promise<void>;
}

export interface QueriedModel {
  readonly manifest: ModelManifest;
  /** The prepared model. */
  readonly modelPath: string;
  /** Each gets a session of one thread. */
  readonly cores: number;
}

export interface GuardedQueriedModel extends QueriedModel {
  /** `modelPath` is the prepared model with this tap. */
  readonly tap: ShallowTap;
  readonly profile: GuardProfile;
  /** Of the patch finder, where the profile's search wants it. */
  readonly finderPath?: string | undefined;
}

/** The lowest scores count: a search sees by them that it gets warmer, and COCO's curve needs them. */
export function queryThresholds({ defaults }: Pick<ModelManifest, 'defaults'>): DecodeThresholds {
  return { confidenceThreshold: 0.001, iouThreshold: defaults.iouThreshold, maxDetections: 100, multiLabel: true };
}

/** @throws AppError ERR_MODEL_CORRUPT, ERR_MODEL_MANIFEST, ERR_WORKER_DIED */
export async function startQueries({ manifest, modelPath, cores }: QueriedModel): Promise<ModelQueries> {
  const workers = await ModelWorkers.start<DetectRequest, DetectResponse>({
    script: workerUrl(import.meta.url, '../detector/detector-worker.js'),
    name: `queries-${manifest.id}`,
    mode: 'throughput',
    cores,
    prefetch: true,
    workerData: (threads): DetectorModel => ({ manifest, modelPath, threads }),
  });
  const thresholds = queryThresholds(manifest);
  const answer = async ({ pixels, fit, sourceSize }: QueryPicture): Promise<QueryAnswer> => {
    const { response } = await workers.run({ pixels, fit, sourceSize, thresholds });
    return { detections: response.detections, candidates: [] };
  };
  return new PendingQueries(manifest.labels, answer, () => workers.close());
}

/** As `startQueries`, and the answers say what the guard's search finds: what an attacker who knows the guard can measure at home. */
export async function startGuardedQueries({ manifest, modelPath, cores, tap, profile, finderPath }: GuardedQueriedModel): Promise<ModelQueries> {
  const service = await GuardService.start({ manifest, modelPath, finderPath, tap, profile, thresholds: queryThresholds(manifest), mode: 'throughput', cores, prefetch: true });
  const answer = async ({ pixels, fit, sourceSize }: QueryPicture): Promise<QueryAnswer> => (await service.run({ pixels, fit, sourceSize, fills: [], search: true })).response;
  return new PendingQueries(manifest.labels, answer, () => service.close());
}

/** Knows which queries are out: a worker that is ended within an inference may take the process with it. */
class PendingQueries implements ModelQueries {
  readonly labels: readonly string[];
  readonly #answer: (picture: QueryPicture) => Promise<QueryAnswer>;
  readonly #end: () => Promise<void>;
  readonly #pending = new Set<Promise<QueryAnswer>>();

  constructor(labels: readonly string[], answer: (picture: QueryPicture) => Promise<QueryAnswer>, end: () => Promise<void>) {
    this.labels = labels;
    this.#answer = answer;
    this.#end = end;
  }

  run(picture: QueryPicture): Promise<QueryAnswer> {
    const query = this.#answer(picture).finally(() => this.#pending.delete(query));
    this.#pending.add(query);
    return query;
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#pending);
    await this.#end();
  }
}
