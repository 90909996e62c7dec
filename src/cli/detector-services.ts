import type { Stage } from '../core/stage.js';
import { DetectorService, type DetectorServiceOptions } from '../detector/detector-service.js';
import type { WorkerSettings } from '../detector/model-workers.js';
import type { GovernedDetector } from '../governor/governed-detector.js';
import { GuardService } from '../guard/guard-service.js';
import type { DeliveryThresholds } from '../guard/passes.js';
import type { GuardedModel, InstalledModel } from '../model-store/store.js';
import type { ElasticSlicer } from '../model-store/elastic-slicer.js';
import { type GovernedMaking, makeGoverned, slicerFor } from './governor/make-governed.js';

/** Workers by model and settings, so that streams with the same ones share them. */
export class DetectorServices {
  readonly #emulatedSpeed: SharedArrayBuffer | undefined;
  readonly #governed: GovernedDetector[] = [];
  readonly #slicers: ElasticSlicer[] = [];
  readonly #kept: Pick<Stage, 'close'>[] = [];
  readonly #detectors = new Map<string, Promise<DetectorService>>();
  readonly #guards = new Map<string, Promise<GuardService>>();

  /** @param emulatedSpeed of an `EmulatedSpeed`, for studies. Guards keep the machine's own speed. */
  constructor(emulatedSpeed?: SharedArrayBuffer) {
    this.#emulatedSpeed = emulatedSpeed;
  }

  /** @param frames what comes, where that isn't what the model wants. */
  get({ manifest, preparedPath }: InstalledModel, settings: WorkerSettings, frames: Pick<DetectorServiceOptions, 'frameSize' | 'isFrameWhole'> = {}): Promise<DetectorService> {
    return known(this.#detectors, [preparedPath, settings, frames], () => DetectorService.start({ manifest, modelPath: preparedPath, emulatedSpeed: this.#emulatedSpeed, ...frames, ...settings }));
  }

  getGuarded({ manifest, tappedPath, tap, profile, finder }: GuardedModel, thresholds: DeliveryThresholds, settings: WorkerSettings): Promise<GuardService> {
    return known(this.#guards, [tappedPath, settings, thresholds, profile], () => GuardService.start({ manifest, modelPath: tappedPath, finderPath: finder?.path, tap, profile, thresholds, ...settings }));
  }

  /** Of one stream alone: its network changes with the time of its frames. */
  async getGoverned(making: Omit<GovernedMaking, 'emulatedSpeed' | 'slicer'>): Promise<GovernedDetector> {
    const slicer = await slicerFor(making.governor, making.model);
    if (slicer) this.#slicers.push(slicer);
    const detector = await makeGoverned({ ...making, slicer, emulatedSpeed: this.#emulatedSpeed });
    this.#governed.push(detector);
    return detector;
  }

  /** Closes a stage's own workers with those of the others. */
  keep(stage: Pick<Stage, 'close'>): void {
    this.#kept.push(stage);
  }

  async close(): Promise<void> {
    await Promise.all(this.#kept.map(async (stage) => stage.close()));
    await Promise.all(this.#governed.map((detector) => detector.close()));
    // After what they cut for.
    await Promise.all(this.#slicers.map((slicer) => slicer.close()));
    const services = await Promise.allSettled([...this.#detectors.values(), ...this.#guards.values()]);
    await Promise.all(services.map(async (outcome) => (outcome.status === 'fulfilled' ? outcome.value.close() : undefined)));
  }
}

/** One of what the key says, started when it is first asked for. */
function known<Service>(services: Map<string, Promise<Service>>, key: unknown, start: () => Promise<Service>): Promise<Service> {
  const text = JSON.stringify(key);
  let service = services.get(text);
  if (!service) services.set(text, (service = start()));
  return service;
}
