import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../src/core/seeded-random.js';
import { analyse } from '../../src/study/analyse.js';
import { compareStudies } from '../../src/study/compare.js';
import { decomposeRun } from '../../src/study/decompose.js';
import { type FrameRecord, parseRecording, RECORDS_VERSION, type StudyRecord, type StudyRecording, type StudyRun, toNdjson } from '../../src/study/records.js';

const PERIOD_MS = 100;

/** What disturbs one frame, milliseconds. */
interface Disturbance {
  readonly transport?: number;
  readonly source?: number;
  readonly infer?: number;
  readonly deliver?: number;
  readonly queue?: number;
  readonly boxes?: number;
}

/** One frame of a paced stream that is disturbed by nothing else than a little noise. */
function frameOf(run: number, seq: number, random: SeededRandom, { transport = 0, source = 0, infer = 0, deliver = 0, queue = 0, boxes = 10 }: Disturbance): FrameRecord {
  const noise = () => 0.3 * Math.abs(random.normal());
  let at = seq * PERIOD_MS + transport;
  const next = (ms: number) => (at += ms);
  const begin = at;
  const arrived = next(1 + source + noise());
  const started = next(queue);
  const inferred = next(8 + infer + noise());
  const nms = next(0.2 + boxes * 0.001);
  const detected = next(noise());
  const delivered = next(0.1 + deliver);
  return {
    type: 'frame',
    run,
    stream: 'camera',
    seq,
    ptsMs: seq * PERIOD_MS,
    boxesBeforeNms: boxes,
    detections: 1,
    spans: [
      { stage: 'source', at: [begin, begin, arrived] },
      { stage: 'detect', at: [arrived, started, detected], worker: 'detector-0', parts: [['infer', started, inferred], ['nms', inferred, nms]] },
      { stage: 'deliver', at: [detected, detected, delivered] },
    ],
  };
}

/** A recording with and without a disturbance, frame by frame; `around` adds what was seen beside the frames. */
function recordingOf(disturbance: (random: SeededRandom) => Disturbance, around: (frame: FrameRecord, disturbed: Disturbance) => StudyRecord[] = () => [], frames = 200): StudyRecording {
  const records: StudyRecord[] = [
    { type: 'study', version: RECORDS_VERSION, input: 'camera', command: 'lynceus study camera', seed: 1, injections: ['disturbed'], detector: 'detect', startedEpochMs: 0, machine: {} },
  ];
  for (let run = 0; run < 4; run += 1) {
    const injected = run % 2 === 1;
    const random = new SeededRandom(run + 1);
    records.push({ type: 'run', run, perspective: 'injection', levels: { injection: injected ? 'disturbed' : 'none' }, block: run >> 1 });
    for (let seq = 0; seq < frames; seq += 1) {
      const disturbed = injected && seq > 0 ? disturbance(random) : {};
      const frame = frameOf(run, seq, random, disturbed);
      records.push(frame, ...(injected ? around(frame, disturbed) : []));
    }
    records.push({ type: 'end', run, received: frames, delivered: frames, dropped: {}, fps: 10, paced: true });
  }
  return parseRecording(toNdjson(records), 'recording');
}

const jitter = (random: SeededRandom) => Math.max(0, 10 + 5 * random.normal());
const sometimes = (random: SeededRandom, ms: number) => (random.chance(0.3) ? ms : 0);
const detectAt = ({ spans }: FrameRecord) => spans[1]!.at;

describe('a disturbance of each kind is found where it was put', () => {
  const rows: readonly [string, string, string, StudyRecording][] = [
    ['jitter of the decoder', 'source', 'io', recordingOf((random) => ({ source: jitter(random) }))],
    ['packets that come late', 'transport', 'io', recordingOf((random) => ({ transport: sometimes(random, 200) }))],
    ['jitter of the model', 'detect', 'model', recordingOf((random) => ({ infer: jitter(random) }))],
    ['crowds: many boxes', 'detect', 'data', recordingOf((random) => ({ boxes: sometimes(random, 20_000) }))],
    ['a subscriber that is slow to take results', 'deliver', 'end-to-end', recordingOf((random) => ({ deliver: jitter(random) }))],
    [
      'collections while a frame waits for its turn',
      'detect',
      'runtime',
      recordingOf(
        (random) => ({ queue: sometimes(random, 30) }),
        (frame, { queue = 0 }) => (queue > 0 ? [{ type: 'mark', run: frame.run, kind: 'gc', at: [detectAt(frame)[0], detectAt(frame)[1] - 0.1] }] : []),
      ),
    ],
    [
      'a process that stands still in the middle of an inference',
      'detect',
      'hardware',
      recordingOf(
        (random) => ({ infer: sometimes(random, 50) }),
        (frame, { infer = 0 }) => (infer > 0 ? [{ type: 'mark', run: frame.run, kind: 'halt', at: [detectAt(frame)[1] + 2, detectAt(frame)[1] + 52] }] : []),
      ),
    ],
    [
      'workers that are kept off the processors',
      'detect',
      'hardware',
      recordingOf(
        (random) => ({ infer: sometimes(random, 72) }),
        (frame, { infer = 0 }) => (infer > 0 ? [{ type: 'off-cpu', run: frame.run, at: [detectAt(frame)[1], detectAt(frame)[2]], main: 0, workers: 0.9, decoder: 0 }] : []),
      ),
    ],
    [
      'workers that keep each other off the processors',
      'detect',
      'runtime',
      recordingOf(
        (random) => ({ infer: sometimes(random, 72) }),
        (frame, { infer = 0 }) =>
          infer > 0 ? [{ type: 'off-cpu', run: frame.run, at: [detectAt(frame)[1], detectAt(frame)[2]], main: 0, workers: 0.9, decoder: 0, own: { main: 0, workers: 1, decoder: 0 } }] : [],
      ),
    ],
  ];

  test.each(rows)('%s: %s, %s', (_, stage, perspective, recording) => {
    const { shares } = analyse(recording).injection!;
    expect(shares!.byStage[stage]).toBeGreaterThan(0.9);
    expect(shares!.byPerspective[perspective]).toBeGreaterThan(0.9);
    for (const split of [shares!.byStage, shares!.byCause, shares!.byPerspective]) {
      expect(Object.values(split).reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9);
    }
  });
});

describe('what a late main thread is charged with', () => {
  const runOf = (records: readonly StudyRecord[], frame: FrameRecord): StudyRun =>
    parseRecording(
      toNdjson([
        { type: 'study', version: RECORDS_VERSION, input: 'x', command: 'x', seed: 1, injections: [], detector: 'detect', startedEpochMs: 0, machine: {} },
        { type: 'run', run: 0, perspective: 'io', levels: {}, block: 0 },
        frame,
        ...records,
        { type: 'end', run: 0, received: 1, delivered: 1, dropped: {}, fps: 1, paced: false },
      ]),
      'recording',
    ).runs[0]!;
  const frame: FrameRecord = { type: 'frame', run: 0, stream: 's', seq: 0, ptsMs: 0, spans: [{ stage: 'source', at: [0, 0, 50] }] };
  const causesOf = (records: readonly StudyRecord[]) => decomposeRun(runOf(records, frame), () => 0)[0]!.components.get('source')!;
  const loop = (from: number, to: number): StudyRecord => ({ type: 'mark', run: 0, kind: 'loop', at: [from, to] });
  const gc = (from: number, to: number): StudyRecord => ({ type: 'mark', run: 0, kind: 'gc', at: [from, to] });

  const offCpu = (at: [number, number], own: number): StudyRecord => ({ type: 'off-cpu', run: 0, at, main: 0.5, workers: 0, decoder: 0, own: { main: own, workers: 0, decoder: 0 } });

  test.each([
    ['nothing seen: all of it is its own', [], { io: 50 }],
    ['late in the middle: whatever came, came later', [loop(10, 40)], { io: 50 }],
    ['late at the end', [loop(30, 50)], { io: 30, 'event-loop': 20 }],
    ['late until just before the end', [loop(30, 49)], { io: 30, 'event-loop': 20 }],
    ['still late after the end', [loop(30, 70)], { io: 30, 'event-loop': 20 }],
    ['late because it collected', [gc(35, 45), loop(30, 50)], { io: 30, gc: 10, 'event-loop': 10 }],
    ['late since before the begin', [loop(-20, 50)], { 'event-loop': 50 }],
    ['late turns one after the other', [loop(20, 30), loop(30.2, 50)], { io: 20, 'event-loop': 30 }],
    ['late, and catching up without a break', [loop(20, 40), loop(40, 42.1), loop(42.1, 50)], { io: 20, 'event-loop': 30 }],
    ['late again later: it was free in between', [loop(10, 20), loop(30, 50)], { io: 30, 'event-loop': 20 }],
    ['late because it was not let run', [{ type: 'mark', run: 0, kind: 'loop', at: [30, 50], offCpu: 0.5 }], { io: 30, 'event-loop': 10, 'off-cpu': 10 }],
    ['late because our own threads had the processors', [{ type: 'mark', run: 0, kind: 'loop', at: [30, 50], offCpu: 0.5 }, offCpu([30, 50], 0.8)], { io: 30, 'event-loop': 10, 'own-threads': 8, 'off-cpu': 2 }],
    ['a collection that was not let run: by our own threads and by others', [gc(30, 50), { type: 'mark', run: 0, kind: 'loop', at: [30, 50], offCpu: 0.4 }, offCpu([20, 60], 0.5)], { io: 30, gc: 12, 'own-threads': 4, 'off-cpu': 4 }],
    ['the process stood still', [{ type: 'mark', run: 0, kind: 'halt', at: [10, 30] }], { io: 30, halted: 20 }],
  ] as [string, StudyRecord[], Record<string, number>][])('%s', (_, records, expected) => {
    const causes = causesOf(records);
    for (const [cause, ms] of Object.entries(causes)) expect(ms, cause).toBeCloseTo(expected[cause] ?? 0, 6);
  });

  test('a file that is asked for its frames late gives them late, and goes on for a moment', () => {
    const asked = (pulled: boolean) => {
      const run = runOf([loop(10, 40)], frame);
      return decomposeRun({ ...run, end: { ...run.end, pulled } }, () => 0)[0]!.components.get('source')!;
    };
    expect(asked(true)).toMatchObject({ io: 20, 'event-loop': 30 });
    expect(asked(false)).toMatchObject({ io: 50, 'event-loop': 0 });
  });

  test('whatever is seen, the pieces are the whole and none is negative', () => {
    const time = fc.integer({ min: -20, max: 80 });
    const mark = fc.record({ type: fc.constant('mark' as const), run: fc.constant(0), kind: fc.constantFrom('gc' as const, 'loop' as const, 'halt' as const), at: fc.tuple(time, time), offCpu: fc.integer({ min: 0, max: 10 }).map((tenths) => tenths / 10) });
    const share = fc.integer({ min: 0, max: 10 }).map((tenths) => tenths / 10);
    const offCpu = fc.record({ type: fc.constant('off-cpu' as const), run: fc.constant(0), at: fc.integer({ min: -1, max: 3 }).map((i): [number, number] => [i * 20, i * 20 + 20]), main: share, workers: share, decoder: share, own: fc.record({ main: share, workers: share, decoder: share }) });
    const detected: FrameRecord = { ...frame, boxesBeforeNms: 50, spans: [...frame.spans, { stage: 'detect', at: [50, 55, 75], worker: 'w', parts: [['infer', 55, 65], ['nms', 65, 70]] }] };
    fc.assert(
      fc.property(fc.array(mark, { maxLength: 6 }), fc.uniqueArray(offCpu, { maxLength: 4, selector: ({ at }) => at[0] }), fc.integer({ min: 0, max: 20 }), (marks, readings, cost) => {
        const [one] = decomposeRun(runOf([...marks, ...readings], detected), () => cost);
        const pieces = [...one!.components.values()].flatMap((causes) => Object.values(causes));
        expect(pieces.reduce((sum, ms) => sum + ms, 0)).toBeCloseTo(one!.totalMs, 6);
        expect(Math.min(...pieces)).toBeGreaterThanOrEqual(-1e-9);
      }),
    );
  });
});

describe('a recording', () => {
  test('of an interrupted run leaves that run out', () => {
    const lines = toNdjson([
      { type: 'study', version: RECORDS_VERSION, input: 'x', command: 'x', seed: 1, injections: [], detector: 'detect', startedEpochMs: 0, machine: {} },
      { type: 'run', run: 0, perspective: 'io', levels: {}, block: 0 },
      frameOf(0, 0, new SeededRandom(1), {}),
    ]);
    expect(parseRecording(lines, 'r').runs).toEqual([]);
  });

  test.each([
    ['nothing', '', 'the line of the study itself is missing'],
    ['no JSON', '{"type":', 'line 1: no JSON'],
    ['something else', '{"type":"frame"}', 'line 1'],
    ['a frame without its run', toNdjson([frameOf(3, 0, new SeededRandom(1), {})]), 'run 3 has not begun'],
  ])('of %s is refused', (_, text, message) => {
    expect(() => parseRecording(text, 'r')).toThrow(message);
    expect(() => parseRecording(text, 'r')).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }) as Error);
  });

  test('gives the same figures every time', () => {
    const recording = recordingOf((random) => ({ infer: jitter(random) }), () => [], 40);
    expect(analyse(recording)).toEqual(analyse(recording));
  });
});

describe('two studies compared', () => {
  const slower = (ms: number) => analyse(recordingOf((random) => ({ infer: ms + random.unit() }), () => [], 60));

  test('a difference is said only where the intervals are apart', () => {
    const { configurations, onlyA, onlyB } = compareStudies(slower(20), slower(10));
    const verdicts = configurations.map(({ levels, figures }) => [levels['injection'], figures.find(({ figure }) => figure === 'mean')!.verdict]);
    expect(verdicts).toEqual([
      ['none', 'no difference shown'],
      ['disturbed', 'lower'],
    ]);
    expect([onlyA, onlyB]).toEqual([0, 0]);
    expect(configurations[0]!.figures.find(({ figure }) => figure === 'p99')!.verdict).toBe('too few frames');
  });

  test('a study is no different from itself', () => {
    const one = slower(5);
    for (const { figures } of compareStudies(one, one).configurations) for (const { verdict } of figures) expect(['no difference shown', 'too few frames']).toContain(verdict);
  });
});
