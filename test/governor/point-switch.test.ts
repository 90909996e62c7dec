import { afterAll, describe, expect, test } from 'vitest';
import { NO_DETECTIONS } from '../../src/core/detections.js';
import { AppError } from '../../src/core/errors.js';
import type { OperatingPoint, PointNetwork, PointRunner } from '../../src/governor/operating-point.js';
import { PointSwitch } from '../../src/governor/point-switch.js';
import { deferred } from '../fixtures/deferred.js';
import { fakeFrame, fakeStream } from '../server/fixture.js';

const FRAME = fakeFrame(fakeStream('yard'), 0);
afterAll(() => FRAME.release());

const THRESHOLDS = { confidenceThreshold: 0.5, iouThreshold: 0.5, maxDetections: 1, multiLabel: false };

/** Networks whose loading and whose frames end when the test says so. */
class Bench {
  readonly log: string[] = [];
  readonly loads = new Map<string, ReturnType<typeof deferred<PointRunner>>>();
  loaded = 0;
  mostLoaded = 0;
  readonly frames: { readonly network: string; readonly done: () => void }[] = [];
  readonly points: OperatingPoint[];

  constructor(...names: string[]) {
    const networks = new Map(names.map((name) => name.split('/')[0]!).map((name) => [name, this.#network(name)]));
    this.points = names.map((name, i) => ({ name, detectMs: i + 1, every: Number(name.split('/')[1] ?? 1), accuracy: i, network: networks.get(name.split('/')[0]!)! }));
  }

  start(first: number): Promise<PointSwitch> {
    const started = PointSwitch.start({
      points: this.points,
      first,
      onSwitched: (from, to) => this.log.push(`${this.points[from]!.name}>${this.points[to]!.name}`),
      onFailed: (place, error) => this.log.push(`${this.points[place]!.name} failed: ${error.code}`),
    });
    this.finishLoad(this.points[first]!.name);
    return started;
  }

  finishLoad(name: string): void {
    this.loads.get(name)!.resolve(this.#runner(name));
  }

  #network(name: string): PointNetwork {
    return {
      prepare: () => {
        const load = deferred<PointRunner>();
        this.loads.set(name, load);
        this.loaded += 1;
        this.mostLoaded = Math.max(this.mostLoaded, this.loaded);
        return load.promise;
      },
    };
  }

  #runner(name: string): PointRunner {
    return {
      detect: () => {
        const frame = deferred<Awaited<ReturnType<PointRunner['detect']>>>();
        const response = { detections: NO_DETECTIONS, startedMs: 0, inferredMs: 0, decodedMs: 0, endedMs: 0 };
        this.frames.push({ network: name, done: () => frame.resolve({ response, worker: name }) });
        return frame.promise;
      },
      close: () => {
        this.loaded -= 1;
        this.log.push(`closed ${name}`);
        return Promise.resolve();
      },
    };
  }
}

/** Lets what is due happen. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('a move', () => {
  test('leaves frames where they are until the next network is warm, and ends each where it began', async () => {
    const bench = new Bench('small', 'large');
    const points = await bench.start(1);
    const first = points.detect(FRAME, THRESHOLDS);
    points.want(0);
    await settle();
    const second = points.detect(FRAME, THRESHOLDS);
    expect([points.place, bench.log]).toEqual([1, []]);
    bench.finishLoad('small');
    await settle();
    expect([points.place, bench.log]).toEqual([0, ['large>small']]);
    const third = points.detect(FRAME, THRESHOLDS);
    expect(bench.frames.map(({ network }) => network)).toEqual(['large', 'large', 'small']);
    for (const { done } of bench.frames) done();
    expect((await Promise.all([first, second, third])).map(({ worker }) => worker)).toEqual(['large', 'large', 'small']);
    await points.close();
  });

  test('back is taken at once: the network before is still there', async () => {
    const bench = new Bench('small', 'large');
    const points = await bench.start(1);
    points.want(0);
    await settle();
    bench.finishLoad('small');
    await settle();
    points.want(1);
    expect([points.place, bench.log]).toEqual([1, ['large>small', 'small>large']]);
    await points.close();
    expect(bench.loaded).toBe(0);
  });

  test('between rhythms of one network loads nothing', async () => {
    const bench = new Bench('large/2', 'large');
    const points = await bench.start(1);
    points.want(0);
    expect([points.place, bench.mostLoaded]).toEqual([0, 1]);
    await points.close();
  });

  test('never has a third network in memory, and closes one only when its frames are done', async () => {
    const bench = new Bench('a', 'b', 'c');
    const points = await bench.start(2);
    const frame = points.detect(FRAME, THRESHOLDS);
    points.want(1);
    await settle();
    bench.finishLoad('b');
    await settle();
    points.want(0);
    await settle();
    // The third waits for the first one's frame.
    expect([bench.loads.has('a'), points.place]).toEqual([false, 1]);
    bench.frames[0]!.done();
    await frame;
    await settle();
    expect(bench.log).toEqual(['c>b', 'closed c']);
    bench.finishLoad('a');
    await settle();
    expect([points.place, bench.mostLoaded]).toEqual([0, 2]);
    await points.close();
  });

  test('the newest wish counts, also while another is prepared; what lies on the way works meanwhile', async () => {
    const bench = new Bench('a', 'b', 'c');
    const points = await bench.start(2);
    points.want(1);
    points.want(0);
    await settle();
    bench.finishLoad('b');
    await settle();
    bench.finishLoad('a');
    await settle();
    expect([points.place, bench.log]).toEqual([0, ['c>b', 'closed c', 'b>a']]);
    await points.close();
  });

  test('what does not lie on the way is left out', async () => {
    const bench = new Bench('a', 'b', 'c');
    const points = await bench.start(1);
    points.want(0);
    points.want(2);
    await settle();
    bench.finishLoad('a');
    await settle();
    bench.finishLoad('c');
    await settle();
    expect([points.place, bench.log]).toEqual([2, ['closed a', 'b>c']]);
    await points.close();
  });
});

describe('a point that is kept ready', () => {
  test('takes over at once on the way to one that has to be loaded', async () => {
    const bench = new Bench('a', 'b', 'c');
    const points = await bench.start(2);
    points.keepReady(0);
    await settle();
    expect([points.isLoading, points.ready]).toEqual([true, undefined]);
    bench.finishLoad('a');
    await settle();
    expect([points.isLoading, points.ready, points.place]).toEqual([false, 0, 2]);
    points.want(1);
    expect([points.place, bench.log[0]]).toEqual([0, 'c>a']);
    await settle();
    bench.finishLoad('b');
    await settle();
    expect([points.place, points.ready, bench.log, bench.mostLoaded]).toEqual([1, 0, ['c>a', 'closed c', 'a>b'], 2]);
    await points.close();
  });

  test('is not loaded while another is wanted, nor where its network runs already', async () => {
    const bench = new Bench('small', 'large/2', 'large');
    const points = await bench.start(2);
    points.keepReady(1);
    expect(points.isLoading).toBe(false);
    points.want(0);
    points.keepReady(1);
    await settle();
    bench.finishLoad('small');
    await settle();
    expect([points.place, points.ready]).toEqual([0, 2]);
    await points.close();
  });

  test('and cannot be had is not asked for again', async () => {
    const bench = new Bench('small', 'large');
    const points = await bench.start(1);
    points.keepReady(0);
    await settle();
    bench.loads.get('small')!.reject(new AppError('ERR_MODEL_CORRUPT', 'broken'));
    await settle();
    points.keepReady(0);
    expect([points.isLoading, bench.log]).toEqual([false, ['small failed: ERR_MODEL_CORRUPT']]);
    await points.close();
  });
});

test('a network that cannot be prepared is told, and the stream goes on where it was', async () => {
  const bench = new Bench('small', 'large');
  const points = await bench.start(1);
  points.want(0);
  await settle();
  bench.loads.get('small')!.reject(new AppError('ERR_MODEL_CORRUPT', 'broken'));
  await settle();
  expect([points.place, bench.log]).toEqual([1, ['small failed: ERR_MODEL_CORRUPT']]);
  await points.close();
});
