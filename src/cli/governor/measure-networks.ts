import { monotonicMs } from '../../core/clock.js';
import { Frame, type FrameFormat, frameBytes } from '../../core/frame.js';
import { FramePool } from '../../core/frame-pool.js';
import { fitImage } from '../../core/image-fit.js';
import { SeededRandom } from '../../core/seeded-random.js';
import { median } from '../../core/median.js';
import type { DecodeThresholds } from '../../detector/decoder.js';
import { DetectorService } from '../../detector/detector-service.js';
import type { WorkerSettings } from '../../detector/model-workers.js';
import type { Network } from './networks.js';

/** Rounds in which each network has one turn; the first ones don't count. */
const ROUNDS = 12;
const UNCOUNTED_ROUNDS = 2;
/** Sizes of one model that are measured: the time between two of them goes with the pixels. */
const MEASURED_SIZES = 4;

/** Service times of networks on this machine, milliseconds, in their order; called with the share that is done. */
export async function measureNetworks(networks: readonly Network[], format: FrameFormat, settings: WorkerSettings, thresholds: DecodeThresholds, onProgress: (share: number) => void = () => undefined): Promise<number[]> {
  const measured = new Map<Network, number>();
  const groups = groupBy(networks, ({ model }) => model);
  let done = 0;
  for (const group of groups) {
    const chosen = spread(group.toSorted((a, b) => a.pixelShare - b.pixelShare), MEASURED_SIZES);
    const timesMs = await measureByTurns(chosen, format, settings, thresholds);
    chosen.forEach((network, i) => measured.set(network, timesMs[i]!));
    onProgress((done += 1) / groups.length);
  }
  return networks.map((network) => measured.get(network) ?? interpolate(network, measured));
}

/** All of them loaded, one frame each by turns: what else the machine does meets them alike. */
async function measureByTurns(networks: readonly Network[], format: FrameFormat, settings: WorkerSettings, thresholds: DecodeThresholds): Promise<number[]> {
  const services: DetectorService[] = [];
  const timesMs = networks.map((): number[] => []);
  const frame = noiseFrame(format);
  try {
    for (const { manifest, preparedPath } of networks) services.push(await DetectorService.start({ manifest, modelPath: preparedPath, frameSize: format.size, ...settings }));
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [i, service] of services.entries()) {
        const { response } = await service.detect(frame, thresholds);
        if (round >= UNCOUNTED_ROUNDS) timesMs[i]!.push(response.endedMs - response.startedMs);
      }
    }
  } finally {
    await Promise.all(services.map((service) => service.close()));
    frame.release();
  }
  return timesMs.map(median);
}

/** Noise: nothing that a picture of one colour would spare the network. */
function noiseFrame(format: FrameFormat): Frame {
  const pool = new FramePool(2, frameBytes(format));
  const buffer = pool.acquire()!;
  const random = new SeededRandom(1);
  for (let i = 0; i < buffer.bytes.length; i += 1) buffer.bytes[i] = random.integer(256);
  const nowMs = monotonicMs();
  const { size, fit } = format;
  const facts = { source: 'noise', sequence: 0, ptsUs: 0, capture: { epochMs: undefined, clock: 'host', uncertaintyMs: undefined }, firstByteMs: nowMs, arrivedMs: nowMs } as const;
  return new Frame({ ...facts, sourceSize: size, format, fit: fitImage(size, size, fit) }, buffer);
}

/** Between the nearest measured sizes of the same model, by pixels. */
function interpolate({ model, pixelShare }: Network, measured: ReadonlyMap<Network, number>): number {
  const known = [...measured].filter(([network]) => network.model === model).sort(([a], [b]) => a.pixelShare - b.pixelShare);
  const above = known.findIndex(([network]) => network.pixelShare >= pixelShare);
  const [low, lowMs] = known[Math.max(0, above - 1)]!;
  const [high, highMs] = known[above]!;
  if (high === low) return highMs;
  return lowMs + ((highMs - lowMs) * (pixelShare - low.pixelShare)) / (high.pixelShare - low.pixelShare);
}

/** So many of them, the ends among them, equally far apart in the list. */
function spread<T>(values: readonly T[], count: number): T[] {
  if (values.length <= count) return [...values];
  return Array.from({ length: count }, (_, i) => values[Math.round((i * (values.length - 1)) / (count - 1))]!);
}

function groupBy<T>(values: readonly T[], keyOf: (value: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const value of values) groups.set(keyOf(value), [...(groups.get(keyOf(value)) ?? []), value]);
  return [...groups.values()];
}
