import { setTimeout } from 'node:timers/promises';
import type { FrameFormat } from '../../core/frame.js';
import { median } from '../../core/median.js';
import type { DecodeThresholds } from '../../detector/decoder.js';
import { DetectorService } from '../../detector/detector-service.js';
import type { WorkerSettings } from '../../detector/model-workers.js';
import type { Network } from './networks.js';
import { noiseFrame } from './warm.js';

/** Rounds in which each network has one turn; the first ones don't count. */
const ROUNDS = 12;
const UNCOUNTED_ROUNDS = 2;
/** Before each inference, as between the frames of a camera: threads and cores that were idle take their time to wake. */
const PAUSE_MS = 15;
/** Sizes of one model that are measured: the time between two of them goes with the pixels. */
const MEASURED_SIZES = 4;
/** Of the times of a network: slow ones, that a target has to have room for. */
const SLOW_SHARE = 0.8;

/** Service times of networks on this machine, milliseconds, in their order. */
export interface NetworkTimes {
  readonly usualMs: number[];
  readonly slowMs: number[];
}

/** Measures them, some sizes of each model; called with the share that is done. */
export async function measureNetworks(networks: readonly Network[], format: FrameFormat, settings: WorkerSettings, thresholds: DecodeThresholds, onProgress: (share: number) => void = () => undefined): Promise<NetworkTimes> {
  const usual = new Map<Network, number>();
  const slow = new Map<Network, number>();
  const groups = groupBy(networks, ({ model }) => model);
  let done = 0;
  for (const group of groups) {
    const chosen = spread(group.toSorted((a, b) => a.pixelShare - b.pixelShare), MEASURED_SIZES);
    const timesMs = await measureByTurns(chosen, format, settings, thresholds);
    chosen.forEach((network, i) => {
      usual.set(network, median(timesMs[i]!));
      slow.set(network, quantile(timesMs[i]!, SLOW_SHARE));
    });
    onProgress((done += 1) / groups.length);
  }
  const all = (measured: ReadonlyMap<Network, number>) => networks.map((network) => measured.get(network) ?? interpolate(network, measured));
  return { usualMs: all(usual), slowMs: all(slow) };
}

/** All of them loaded, one frame each by turns: what else the machine does meets them alike. */
async function measureByTurns(networks: readonly Network[], format: FrameFormat, settings: WorkerSettings, thresholds: DecodeThresholds): Promise<number[][]> {
  const services: DetectorService[] = [];
  const timesMs = networks.map((): number[] => []);
  const frame = noiseFrame(format);
  try {
    for (const { manifest, load } of networks) services.push(await DetectorService.start({ ...(await load()), manifest, frameSize: format.size, ...settings }));
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [i, service] of services.entries()) {
        await setTimeout(PAUSE_MS);
        const { response } = await service.detect(frame, thresholds);
        if (round >= UNCOUNTED_ROUNDS) timesMs[i]!.push(response.endedMs - response.startedMs);
      }
    }
  } finally {
    await Promise.all(services.map((service) => service.close()));
    frame.release();
  }
  return timesMs;
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

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(share * (values.length - 1))]!;
}
