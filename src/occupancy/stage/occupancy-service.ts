import { workerUrl } from '../../core/worker-url.js';
import { WorkerPool } from '../../inference/worker-pool.js';
import type { MapRequest, MapResponse, MapWorkerData } from './map-worker.js';
import type { NetworkRequest, NetworkResponse, NetworkWorkerData } from './network-worker.js';

export interface OccupancyServiceOptions {
  readonly network: Omit<NetworkWorkerData, 'threads'>;
  readonly map: MapWorkerData;
  /** Workers that run the network, and threads of each. */
  readonly sessions: number;
  readonly threads: number;
}

/** The workers of one stereo stream: those that run the network, and the one that keeps the map. */
export class OccupancyService {
  readonly #networks: WorkerPool<NetworkRequest, NetworkResponse>;
  readonly #map: WorkerPool<MapRequest, MapResponse>;

  private constructor(networks: WorkerPool<NetworkRequest, NetworkResponse>, map: WorkerPool<MapRequest, MapResponse>) {
    this.#networks = networks;
    this.#map = map;
  }

  /** Loads the network in every worker and warms it up. @throws AppError of the model or the rig, or `ERR_WORKER_DIED` */
  static async start({ network, map, sessions, threads }: OccupancyServiceOptions): Promise<OccupancyService> {
    const { id } = network.model.manifest;
    const networkData: NetworkWorkerData = { ...network, threads };
    const networks = await WorkerPool.start<NetworkRequest, NetworkResponse>({ script: workerUrl(import.meta.url, './network-worker.js'), size: sessions, workerData: networkData, name: id });
    try {
      return new OccupancyService(networks, await WorkerPool.start({ script: workerUrl(import.meta.url, './map-worker.js'), size: 1, workerData: map, name: `${id}-map` }));
    } catch (error) {
      await networks.close();
      throw error;
    }
  }

  /** How many pairs the network works on at once. */
  get sessions(): number {
    return this.#networks.size;
  }

  /** @throws AppError `ERR_INFERENCE_FAILED`, `ERR_WORKER_DIED` */
  infer(request: NetworkRequest): Promise<{ response: NetworkResponse; worker: string }> {
    return this.#networks.run(request);
  }

  /** Pairs are to be given in the order of their frames. @throws AppError `ERR_STAGE_FAILED`, `ERR_WORKER_DIED`: then what was known is lost */
  see(request: MapRequest): Promise<{ response: MapResponse; worker: string }> {
    return this.#map.run(request);
  }

  async close(): Promise<void> {
    await Promise.all([this.#networks.close(), this.#map.close()]);
  }
}
