import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Pipeline } from '../../src/cli/pipeline.js';
import { checkStages } from '../../src/cli/stages.js';
import type { StreamDefinition } from '../../src/config/stream-definition.js';
import type { AppError } from '../../src/core/errors.js';
import type { OperatingPointMove } from '../../src/core/operating-point.js';
import type { DeliveredFrame } from '../../src/core/result.js';
import type { Sink } from '../../src/core/sink.js';
import { EmulatedSpeed } from '../../src/inference/emulated-speed.js';
import { ModelStore } from '../../src/model-store/store.js';
import { RecordingLog } from '../fixtures/recording-log.js';
import { REPOSITORY } from '../fixtures/repository.js';
import { tempFolder } from '../fixtures/temp-folder.js';

const detect = { id: 'detect', kind: 'detector.yolo', options: { cores: 1 } };

describe('a governor', () => {
  test.each<[string, StreamDefinition['stages'], RegExp]>([
    ['and a guard', [detect, { id: 'guard', kind: 'guard.patch' }], /guard.patch watches the features of one network/],
    ['and two detectors', [detect, { ...detect, id: 'again' }], /one detector, and the stream has 2/],
  ])('%s: is refused before a model is loaded, with a way out', (_, stages, message) => {
    const fault = (() => {
      try {
        checkStages(stages, { target: '25ms' });
        return undefined;
      } catch (error) {
        return error as AppError;
      }
    })();
    expect(fault).toMatchObject({ code: 'ERR_CONFIG_INVALID', message: expect.stringMatching(message) as string, fix: expect.stringMatching(/./) as string });
  });
});

/** Lets the machine become slow after so many frames, and keeps what came. */
class Watcher implements Sink {
  readonly kind = 'watcher';
  readonly sequences: number[] = [];
  readonly points: (string | undefined)[] = [];
  readonly moves: { readonly atFrame: number; readonly move: OperatingPointMove }[] = [];
  readonly done: Promise<void>;
  #finish: () => void = () => undefined;
  readonly #speed: EmulatedSpeed;

  constructor(speed: EmulatedSpeed) {
    this.#speed = speed;
    this.done = new Promise((resolve) => (this.#finish = resolve));
  }

  deliver({ result }: DeliveredFrame): void {
    this.sequences.push(result.frame.sequence);
    this.points.push(result.operatingPoint?.name);
    if (this.sequences.length === 20) this.#speed.percent = 15;
    const last = this.points.at(-1);
    const cheaper = this.moves.find(({ atFrame, move }) => atFrame > 20 && move.to.index < move.from.index)?.move.to.name;
    if (cheaper !== undefined && last === cheaper) this.#finish();
    if (this.sequences.length >= 200) this.#finish();
  }

  moved(_stream: string, move: OperatingPointMove): void {
    this.moves.push({ atFrame: this.sequences.length, move });
  }

  close(): void {
    // Nothing is open.
  }
}

describe('a governed stream', () => {
  const folder = tempFolder();
  beforeAll(() => vi.stubEnv('LYNCEUS_HOME', join(folder, 'home')));
  afterAll(() => vi.unstubAllEnvs());

  test('on a machine that slows down goes on at a cheaper point: no frame is lost, and each says where it was worked on', async () => {
    const speed = new EmulatedSpeed();
    const watcher = new Watcher(speed);
    const definition: StreamDefinition = {
      name: 'yard',
      source: { kind: 'file', path: join(REPOSITORY, 'streams', 'demo', 'demo.mp4'), loop: true },
      stages: [detect],
      // Far more than the model needs, until it is slowed down.
      governor: { target: '150ms', floor: 352 },
    };
    const log = new RecordingLog();
    const pipeline = await Pipeline.prepare([definition], { store: new ModelStore(), log, sinksFor: () => [watcher], emulatedSpeed: speed });
    try {
      await pipeline.start();
      await Promise.race([watcher.done, ...pipeline.streams.map(({ done }) => done)]);
      await pipeline.stop();
      const stats = pipeline.streams[0]!.stats();
      expect(watcher.sequences).toEqual(watcher.sequences.map((_, i) => i));
      expect(stats.dropped).toEqual([]);
      expect(watcher.points.every((point) => point?.startsWith('centernet-coco'))).toBe(true);
      const down = watcher.moves.find(({ atFrame, move }) => atFrame > 20 && move.to.index < move.from.index)!;
      expect(down.move.message).toMatch(/ms at \d+ % of the speed that was measured/);
      // After the move every frame is of the new point, and none before it.
      expect(watcher.points.slice(down.atFrame + 1)).toContain(down.move.to.name);
      expect(stats.governor?.moves.reduce((sum, { count }) => sum + count, 0)).toBe(watcher.moves.length);
    } finally {
      await pipeline.close();
    }
    expect(pipeline.pools.map(({ inUse }) => inUse)).toEqual([0]);
  });

  test.each([
    ['in real time has no result before nine tenths of the target are over', true, undefined, ['detect', 'hold']],
    ['that is told not to hold has each as soon as it is there', true, false, ['detect']],
    ['that nobody paces holds nothing', false, undefined, ['detect']],
  ])('%s', async (_, realtime, hold, stages) => {
    const delivered: DeliveredFrame[] = [];
    const sink: Sink = { kind: 'keeper', deliver: (frame) => void delivered.push(frame), close: () => undefined };
    const definition: StreamDefinition = {
      name: 'yard',
      source: { kind: 'file', path: join(REPOSITORY, 'streams', 'demo', 'demo.mp4'), loop: true, realtime },
      stages: [detect],
      governor: { target: '150ms', floor: 352, ...(hold === undefined ? {} : { hold }) },
    };
    const pipeline = await Pipeline.prepare([definition], { store: new ModelStore(), log: new RecordingLog(), sinksFor: () => [sink] });
    try {
      await pipeline.start();
      await vi.waitFor(() => expect(delivered.length).toBeGreaterThan(5), { timeout: 20_000 });
      await pipeline.stop();
    } finally {
      await pipeline.close();
    }
    const worked = delivered[0]!.timings.map(({ stage }) => stage).filter((stage) => stage !== 'source' && stage !== 'deliver');
    expect(worked).toEqual(stages);
    if (stages.includes('hold')) expect(Math.min(...delivered.map(({ endToEndMs }) => endToEndMs))).toBeGreaterThan(130);
    expect(delivered.map(({ result }) => result.frame.sequence)).toEqual(delivered.map((_, i) => i + delivered[0]!.result.frame.sequence));
  });
});
