#!/usr/bin/env node
// Several live streams on a machine that can't keep up: are they served alike, and does latency stay bounded? Prints JSON.
//
//   node scripts/bench-overload.mjs VIDEO [model] [streams] [seconds]
//
// Each stream plays the video in real time and keeps the newest frame only, as a camera's does.
import { setTimeout as delay } from 'node:timers/promises';
import { Pipeline } from '../dist/cli/pipeline.js';
import { definitionOf } from '../dist/cli/definitions.js';
import { createLog } from '../dist/cli/log.js';
import { openStore } from '../dist/cli/models.js';
import { machine } from '../dist/cli/bench/machine.js';

const [video, model = 'centernet-coco', streamsText = '4', secondsText = '30'] = process.argv.slice(2);
if (!video) {
  console.error('usage: node scripts/bench-overload.mjs VIDEO [model] [streams] [seconds]');
  process.exit(2);
}
const base = await definitionOf(video, { model, loop: true, realtime: true });
const definitions = Array.from({ length: Number(streamsText) }, (_, i) => ({
  ...base,
  name: `camera-${i + 1}`,
  stages: base.stages.map((stage) => ({ ...stage, overflow: 'latest' })),
}));
const pipeline = await Pipeline.prepare(definitions, { store: openStore(), log: createLog(), sinksFor: () => [] });
await pipeline.start();
await delay(5_000);
const before = pipeline.streams.map((stream) => stream.stats());
const rssBefore = process.memoryUsage.rss();
await delay(Number(secondsText) * 1e3);
const after = pipeline.streams.map((stream) => stream.stats());
const rssAfter = process.memoryUsage.rss();
await pipeline.stop();

const rates = after.map((stats, i) => (stats.delivered - before[i].delivered) / Number(secondsText));
const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
console.log(
  JSON.stringify(
    {
      model,
      seconds: Number(secondsText),
      fps: rates.map((rate) => Number(rate.toFixed(2))),
      asked_fps: after.map((stats, i) => Number(((stats.received - before[i].received) / Number(secondsText)).toFixed(2))),
      spread_of_mean: Number(((Math.max(...rates) - Math.min(...rates)) / mean).toFixed(3)),
      end_to_end_ms: after.map(({ endToEnd: { p50Ms, p99Ms, maxMs, n } }) => ({ p50: p50Ms, p99: p99Ms ?? null, max: Number(maxMs.toFixed(1)), n })),
      dropped: after.map(({ dropped }) => dropped),
      rss_growth_mib: Number(((rssAfter - rssBefore) / 2 ** 20).toFixed(1)),
      buffers_in_use_at_the_end: pipeline.pools.map(({ inUse }) => inUse),
      machine: machine(),
    },
    null,
    2,
  ),
);
await pipeline.close();
