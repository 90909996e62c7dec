import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { alongOf, type GovernedMaking, makePoints, slicerFor } from '../../src/cli/governor/make-governed.js';
import { type Along, type Network, networksOf } from '../../src/cli/governor/networks.js';
import { noiseFrame } from '../../src/cli/governor/warm.js';
import { Pipeline } from '../../src/cli/pipeline.js';
import { formatOf } from '../../src/cli/stages.js';
import type { GovernorDefinition, StreamDefinition } from '../../src/config/stream-definition.js';
import { DetectorService } from '../../src/detector/detector-service.js';
import { widthWorth } from '../../src/governor/ladder.js';
import type { OperatingPointMove } from '../../src/core/operating-point.js';
import type { Sink } from '../../src/core/sink.js';
import { EmulatedSpeed } from '../../src/inference/emulated-speed.js';
import { ModelStore } from '../../src/model-store/store.js';
import { thrownBy } from '../fixtures/failure.js';
import { RecordingLog } from '../fixtures/recording-log.js';
import { REPOSITORY } from '../fixtures/repository.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { elasticFile, elasticManifest, elasticNetwork } from '../onnx/elastic/elastic-network.js';

const folder = tempFolder();
/** Enough work that its widths differ by more than the decoding of its boxes. */
const parts = elasticNetwork({ width: 32, size: 160 });

beforeAll(async () => {
  vi.stubEnv('LYNCEUS_HOME', join(folder, 'home'));
  const source = join(folder, 'source');
  mkdirSync(source);
  writeFileSync(join(source, 'model.onnx'), parts.base);
  writeFileSync(join(source, 'elastic.safetensors'), elasticFile(parts));
  writeFileSync(join(source, 'manifest.json'), JSON.stringify(elasticManifest(parts)));
  await new ModelStore().add(source);
});
afterAll(() => vi.unstubAllEnvs());

const settings = { mode: 'latency', cores: 1, prefetch: false } as const;
const thresholds = { confidenceThreshold: 0.01, iouThreshold: 0.45, maxDetections: 100, multiLabel: false };

/** With what a governed stream of the model is made. */
async function withSlicer<T>(governor: GovernorDefinition, use: (making: GovernedMaking) => Promise<T>): Promise<T> {
  const store = new ModelStore();
  const model = await store.resolve('elastic');
  const slicer = await slicerFor(governor, model);
  try {
    return await use({ governor, store, model, slicer, format: formatOf(model), settings, thresholds, countsWaiting: false, emulatedSpeed: undefined, log: new RecordingLog() });
  } finally {
    await slicer?.close();
  }
}

const networks = ({ store, model, slicer }: GovernedMaking, along: Along): Promise<Network[]> => networksOf(store, model, { along, slicer, floorSidePx: 160, sameAnchors: false });

describe('points of an elastic model', () => {
  test.each<[Along, readonly string[]]>([
    ['ratios', ['elastic', 'elastic@75', 'elastic@50', 'elastic@25']],
    ['sizes', ['elastic', 'elastic-128x160']],
    ['both', ['elastic', 'elastic@75', 'elastic@50', 'elastic@25', 'elastic-128x160', 'elastic@75-128x160', 'elastic@50-128x160', 'elastic@25-128x160']],
  ])('along %s', async (along, names) => {
    await withSlicer({ target: '500ms', along }, async (making) => {
      expect(making.slicer === undefined).toBe(along === 'sizes');
      const found = await networks(making, along);
      expect(found.map(({ name }) => name)).toEqual(names);
      const widths = along === 'sizes' ? [1] : parts.ratios.map((ratio) => widthWorth(ratio, parts.ratios[0]!));
      expect(found.map(({ widthWorth: worth }) => worth)).toEqual([...widths, ...(along === 'ratios' ? [] : widths)]);
    });
  });

  test('are measured once', async () => {
    await withSlicer({ target: '500ms', along: 'ratios' }, async (making) => {
      const points = await makePoints(making);
      expect(points.timesMs).toHaveLength(4);
      expect(points.timesMs.every((ms) => ms > 0)).toBe(true);
      expect(points.ladder.length).toBeGreaterThan(0);
      expect((await makePoints(making)).timesMs).toEqual(points.timesMs);
    });
  });

  test('find what the same ratio finds by itself', async () => {
    const frame = noiseFrame(formatOf(await new ModelStore().resolve('elastic')));
    await withSlicer({ target: '500ms', along: 'ratios' }, async (making) => {
      const { load, manifest } = (await networks(making, 'ratios'))[2]!;
      const own = await making.store.resolve('elastic@50');
      const services = [await DetectorService.start({ ...(await load()), manifest, ...settings }), await DetectorService.start({ modelPath: own.preparedPath, manifest: own.manifest, ...settings })];
      try {
        const [sliced, alone] = await Promise.all(services.map(async (service) => (await service.detect(frame, thresholds)).response.detections));
        expect(alone!.count).toBeGreaterThan(0);
        expect(sliced).toEqual(alone);
      } finally {
        await Promise.all(services.map((service) => service.close()));
      }
    }).finally(() => frame.release());
  });

  test('are sizes and ratios where nothing is said, and sizes alone of a model without ratios', () => {
    const manifest = elasticManifest(parts);
    const plain = { ...manifest, elastic: undefined };
    expect([alongOf({ target: '25ms' }, manifest), alongOf({ target: '25ms' }, plain), alongOf({ target: '25ms', along: 'sizes' }, manifest)]).toEqual(['both', 'sizes', 'sizes']);
    expect(thrownBy(() => alongOf({ target: '25ms', along: 'ratios' }, plain))).toMatchObject({ code: 'ERR_CONFIG_INVALID', message: 'governor.along: ratios: elastic is not elastic and has no ratios' });
  });

  test.each([
    ['where AP50 was measured, as many pixels as find as much', { macs: 50, ap50: 0.4 * 0.7071067811865476 }, { macs: 100, ap50: 0.4 }, 0.25],
    ['else as many as cost as much', { macs: 50 }, { macs: 100, ap50: 0.4 }, 0.5],
    ['never more than all', { macs: 50, ap50: 0.5 }, { macs: 100, ap50: 0.4 }, 1],
  ])('are ranked: %s', (_, narrower, dense, worth) => expect(widthWorth(narrower, dense)).toBeCloseTo(worth, 9));
});

test('a governed stream on a machine that slows down goes on at a narrower width, without losing a frame', async () => {
  const speed = new EmulatedSpeed();
  const sequences: number[] = [];
  const points: string[] = [];
  const moves: OperatingPointMove[] = [];
  let finish: () => void = () => undefined;
  const done = new Promise<void>((resolve) => (finish = resolve));
  const sink: Sink = {
    kind: 'watcher',
    deliver: ({ result }) => {
      sequences.push(result.frame.sequence);
      points.push(result.operatingPoint!.name);
      if (sequences.length === 20) speed.percent = 1;
      const narrower = moves.some(({ to, from }) => to.index < from.index) && points.at(-1)!.includes('@');
      if ((sequences.length > 20 && narrower) || sequences.length >= 300) finish();
    },
    moved: (_, move) => void moves.push(move),
    close: () => undefined,
  };
  const definition: StreamDefinition = {
    name: 'yard',
    source: { kind: 'file', path: join(REPOSITORY, 'streams', 'demo', 'demo.mp4'), loop: true },
    stages: [{ id: 'detect', kind: 'detector.yolo', options: { model: 'elastic', cores: 1 } }],
    // Far more than the model needs, until it is slowed down.
    governor: { target: '100ms', along: 'ratios' },
  };
  const pipeline = await Pipeline.prepare([definition], { store: new ModelStore(), log: new RecordingLog(), sinksFor: () => [sink], emulatedSpeed: speed });
  try {
    await pipeline.start();
    await Promise.race([done, ...pipeline.streams.map((stream) => stream.done)]);
    await pipeline.stop();
  } finally {
    await pipeline.close();
  }
  expect(sequences).toEqual(sequences.map((_, i) => i));
  expect(points.every((name) => /^elastic(@\d+)?$/.test(name))).toBe(true);
  expect(points.at(-1)).toMatch(/@/);
  expect(pipeline.pools.map(({ inUse }) => inUse)).toEqual([0]);
});
