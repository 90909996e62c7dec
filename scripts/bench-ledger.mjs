#!/usr/bin/env node
// What the ledger itself costs a frame: three spans with their runtime notes and distributions, the end-to-end latency, the losses.
// The same loop without the ledger is subtracted. Prints JSON.
//
//   node scripts/bench-ledger.mjs [frames]
import { monotonicMs } from '../dist/core/clock.js';
import { runStage } from '../dist/graph/stage-runner.js';
import { RuntimeMonitor } from '../dist/timing/runtime-monitor.js';
import { StreamLedger } from '../dist/timing/stream-ledger.js';

const frames = Number(process.argv[2] ?? 20_000);
const rounds = 7;
const monitor = new RuntimeMonitor();
const stage = { kind: 'none', concurrency: 1, process: (input) => input, close: () => undefined };
const fail = (_, error) => {
  throw error;
};

async function withLedger() {
  const ledger = new StreamLedger(['source', 'detect', 'deliver']);
  const start = monotonicMs();
  for (let i = 0; i < frames; i += 1) {
    const arrivedMs = monotonicMs();
    ledger.frameReceived();
    ledger.entered('detect');
    const source = { stage: 'source', queuedMs: arrivedMs, startedMs: arrivedMs, endedMs: arrivedMs, worker: undefined, parts: [] };
    const { timings, readyMs } = await runStage('detect', stage, { result: { frame: undefined }, timings: [source], readyMs: arrivedMs }, fail);
    ledger.left('detect');
    const startedMs = monotonicMs();
    const spans = [...timings, { stage: 'deliver', queuedMs: readyMs, startedMs, endedMs: monotonicMs(), worker: undefined, parts: [] }];
    const booked = spans.map((span) => ({
      ...span,
      eventLoopDelayMs: monitor.eventLoopDelayMs(span.queuedMs, span.endedMs),
      gcMs: monitor.gcMs(span.queuedMs, span.endedMs),
    }));
    const nowMs = monotonicMs();
    ledger.losses.takeSince();
    ledger.frameDelivered(booked, nowMs - arrivedMs, nowMs);
  }
  return ((monotonicMs() - start) * 1e3) / frames;
}

async function without() {
  const start = monotonicMs();
  for (let i = 0; i < frames; i += 1) await stage.process(undefined);
  return ((monotonicMs() - start) * 1e3) / frames;
}

const costs = [];
for (let round = 0; round < rounds; round += 1) {
  // A timer tick between rounds lets the monitor's own probe and the garbage collector's reports in.
  await new Promise((resolve) => setTimeout(resolve, 20));
  const bare = await without();
  costs.push((await withLedger()) - bare);
}
monitor.close();
const sorted = costs.sort((a, b) => a - b);
console.log(JSON.stringify({ frames, rounds, us_a_frame: { median: Number(sorted[rounds >> 1].toFixed(2)), min: Number(sorted[0].toFixed(2)), max: Number(sorted.at(-1).toFixed(2)) } }));
