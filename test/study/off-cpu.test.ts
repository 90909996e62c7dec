import { describe, expect, test } from 'vitest';
import { offCpuOf, type Reading, type ThreadTurn } from '../../src/study/off-cpu.js';

const reading = (turns: readonly ThreadTurn[]): Reading => ({ at: [0, 20], turns, ranMs: turns.reduce((sum, { ranMs }) => sum + ranMs, 0) });
const main = (ranMs: number, waitedMs: number): ThreadTurn => ({ kind: 'main', ranMs, waitedMs });
const worker = (ranMs: number, waitedMs: number): ThreadTurn => ({ kind: 'workers', ranMs, waitedMs });
const helper = (ranMs: number, waitedMs: number): ThreadTurn => ({ kind: 'helpers', ranMs, waitedMs });
const decoder = (ranMs: number, waitedMs: number): ThreadTurn => ({ kind: 'decoder', ranMs, waitedMs });

describe('who had the processors while a thread was ready', () => {
  test.each([
    ['another process ran for as long', [main(12, 8)], 0.4, { main: 0 }],
    ['threads that collect garbage had them, and nobody else ran', [main(12, 8), helper(20, 4)], 0, { main: 1 }],
    ['half of the others is ours', [main(10, 10), helper(8, 0)], 0.4, { main: 0.5 }],
    ['two workers on one processor keep each other waiting', [worker(10, 10), worker(10, 10)], 0, { workers: 1 }],
    ['one of two waits, for another process', [worker(10, 10), worker(0, 0)], 0.5, { workers: 0 }],
    ['the decoder waited for our workers', [decoder(10, 5), worker(20, 0)], 0, { decoder: 1 }],
    ['nobody ran: the kernel took its time', [main(0, 5)], 0, { main: 0 }],
  ] as [string, ThreadTurn[], number, Record<string, number>][])('%s', (_, turns, othersShare, expected) => {
    const [record] = offCpuOf([reading(turns)], othersShare);
    expect(record!.own).toMatchObject(expected);
  });

  test('where nobody says what others did, nobody is blamed', () => {
    expect(offCpuOf([reading([main(12, 8)])], undefined)).toEqual([{ at: [0, 20], main: 0.4, workers: 0, decoder: 0 }]);
  });

  test('of all threads that wanted to run, the share that waited; the decoder by the clock', () => {
    const [record] = offCpuOf([reading([main(1, 1), worker(10, 10), worker(20, 0), decoder(5, 10)])], 0);
    expect(record).toMatchObject({ main: 0.5, workers: 0.25, decoder: 0.5 });
  });

  test.each([
    ['nothing waited', [main(5, 0), worker(20, 0)]],
    ['only an idle worker waited for a moment', [worker(0.5, 0.5)]],
    ['only helpers waited', [helper(5, 15)]],
  ])('%s: nothing to tell', (_, turns) => {
    expect(offCpuOf([reading(turns)], 0)).toEqual([]);
  });
});
