import { assert } from '../core/assert.js';
import type { ElasticRatio, ModelManifest } from '../core/manifest.js';
import type { Size } from '../core/size.js';
import { workerUrl } from '../core/worker-url.js';
import { WorkerPool } from '../inference/worker-pool.js';
import { manifestOfRatio, ratiosOf, type ElasticInstalled } from './elastic.js';
import type { SlicedModel, SliceRequest, SliceResponse } from './elastic-worker.js';

/** A network that was cut out of an elastic model, ready for a session. */
export interface SlicedNetwork {
  /** The prepared network, in shared memory. Nobody else keeps it. */
  readonly modelBytes: Uint8Array;
  /** What cutting, resizing and preparing took. */
  readonly tookMs: number;
}

/** Holds the weights of an elastic model in a worker, and cuts networks out of them when they are wanted: the thread of the frames does none of it. */
export class ElasticSlicer {
  /** Dense first. */
  readonly ratios: readonly ElasticRatio[];
  readonly #manifest: ModelManifest;
  readonly #pool: WorkerPool<SliceRequest, SliceResponse>;

  private constructor(manifest: ModelManifest, ratios: readonly ElasticRatio[], pool: WorkerPool<SliceRequest, SliceResponse>) {
    this.#manifest = manifest;
    this.ratios = ratios;
    this.#pool = pool;
  }

  /** @param model an elastic one. @throws AppError ERR_MODEL_CORRUPT, ERR_MODEL_ELASTIC, ERR_WORKER_DIED */
  static async start({ manifest, modelPath, elasticPath, folder }: ElasticInstalled): Promise<ElasticSlicer> {
    assert(elasticPath !== undefined, `${manifest.id} is elastic`);
    const workerData: SlicedModel = { manifest, modelPath, elasticPath };
    const pool = await WorkerPool.start<SliceRequest, SliceResponse>({ script: workerUrl(import.meta.url, './elastic-worker.js'), size: 1, workerData, name: `slicer-${manifest.id}` });
    return new ElasticSlicer(manifest, await ratiosOf(folder, manifest), pool);
  }

  /** What the network of a ratio at a size is. Its `sha256` is that of the masks, which were made for one network: it has no file of its own. */
  manifestOf(ratio: ElasticRatio, { width, height }: Size): ModelManifest {
    const manifest = manifestOfRatio(this.#manifest, ratio);
    return { ...manifest, sha256: this.#manifest.elastic!.sha256, input: { ...manifest.input, width, height } };
  }

  /** @throws AppError ERR_MODEL_NOT_FOUND where there is no such ratio; ERR_MODEL_UNSUPPORTED_OP where the network can't work at the size */
  async slice(ratioName: string, size: Size): Promise<SlicedNetwork> {
    const { response } = await this.#pool.run({ ratio: ratioName, size });
    return { modelBytes: response.onnx, tookMs: response.tookMs };
  }

  /** Lets go of the weights. */
  close(): Promise<void> {
    return this.#pool.close();
  }
}
