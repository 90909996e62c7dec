#!/usr/bin/env node
// What the pipeline adds to a live frame: from its arrival in this process to its receipt by a WebSocket client in another process on the
// same machine, minus the service time of the detector. Prints JSON.
//
//   node scripts/bench-live.mjs RTSP_URL [model] [frames]
//
// Both processes read CLOCK_MONOTONIC, so the difference needs no clock synchronisation.
import { fork } from 'node:child_process';
import { WebSocket } from 'ws';
import { Pipeline } from '../dist/cli/pipeline.js';
import { definitionOf } from '../dist/cli/definitions.js';
import { createLog } from '../dist/cli/log.js';
import { openStore } from '../dist/cli/models.js';
import { machine } from '../dist/cli/bench/machine.js';
import { startServer } from '../dist/server/server.js';
import { TimeDistribution } from '../dist/timing/time-distribution.js';

const monotonicMs = () => {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
};

if (process.send && process.argv[2] === 'client') client(process.argv[3]);
else await main();

function client(url) {
  const socket = new WebSocket(url, ['lynceus.v1.json']);
  const received = [];
  socket.on('open', () => socket.send(JSON.stringify({ type: 'subscribe', streams: ['*'], policy: 'all' })));
  socket.on('message', (data) => {
    const atMs = monotonicMs();
    const message = JSON.parse(data.toString());
    if (message.type === 'frame') received.push([message.seq, atMs]);
    if (message.type === 'subscribed') process.send('subscribed');
  });
  process.on('message', () => process.send(received, () => process.exit(0)));
}

async function main() {
  const [url, model = 'centernet-coco', framesText = '1000'] = process.argv.slice(2);
  if (!url) {
    console.error('usage: node scripts/bench-live.mjs RTSP_URL [model] [frames]');
    process.exit(2);
  }
  const wanted = Number(framesText);
  const facts = new Map();
  let enough;
  const done = new Promise((resolve) => (enough = resolve));
  const meter = {
    kind: 'meter',
    deliver: ({ result, timings, endToEndMs }) => {
      const { sequence, arrivedMs } = result.frame;
      const detect = timings.find(({ stage }) => stage === 'detect');
      facts.set(sequence, { arrivedMs, serviceMs: detect.endedMs - detect.startedMs, queueMs: detect.startedMs - detect.queuedMs, endToEndMs });
      if (facts.size >= wanted) enough();
    },
    close: () => undefined,
  };
  let server;
  const pipeline = await Pipeline.prepare([await definitionOf(url, { model, transport: 'tcp' })], {
    store: openStore(),
    log: createLog(),
    sinksFor: () => [meter, { ...server.sink, kind: 'ws', deliver: (frame) => server.sink.deliver(frame), close: () => undefined }],
  });
  server = await startServer({ port: 0, streams: () => pipeline.streams, logger: createLog(), ready: () => ({ ready: true, reasons: [] }), version: 'bench' });
  await pipeline.start();
  const subscriber = fork(new URL(import.meta.url), ['client', server.wsUrl]);
  await done;
  const received = new Map(await new Promise((resolve) => {
    subscriber.on('message', (message) => Array.isArray(message) && resolve(message));
    subscriber.send('report');
  }));
  const stats = pipeline.streams[0].stats();
  await pipeline.stop();
  await server.close();
  await pipeline.close();

  const [overhead, endToEnd, service] = [new TimeDistribution(), new TimeDistribution(), new TimeDistribution()];
  for (const [sequence, fact] of facts) {
    const atMs = received.get(sequence);
    if (atMs === undefined) continue;
    overhead.record(atMs - fact.arrivedMs - fact.serviceMs);
    endToEnd.record(atMs - fact.arrivedMs);
    service.record(fact.serviceMs);
  }
  const brief = (distribution) => {
    const { n, meanMs, p50Ms, p99Ms, maxMs } = distribution.summary();
    return { n, mean: round(meanMs), p50: round(p50Ms), p99: round(p99Ms), max: round(maxMs) };
  };
  const { p50Ms, p99Ms, n } = stats.eventLoopDelay;
  console.log(
    JSON.stringify(
      {
        model,
        fps: round(stats.fps),
        received: stats.received,
        delivered: stats.delivered,
        dropped: stats.dropped,
        overhead_ms: brief(overhead),
        arrival_to_client_ms: brief(endToEnd),
        detector_service_ms: brief(service),
        event_loop_delay_ms: { n, p50: round(p50Ms), p99: round(p99Ms) },
        machine: machine(),
      },
      null,
      2,
    ),
  );
  process.exit(0);
}

function round(value) {
  return value === undefined ? null : Number(value.toFixed(3));
}
