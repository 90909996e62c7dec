#!/usr/bin/env node
// Resident memory of a long run: after 1,000 frames and after 10,000 (or as many as asked for). Prints JSON.
//
//   node --expose-gc scripts/bench-memory.mjs VIDEO [model] [frames]
import { Pipeline } from '../dist/cli/pipeline.js';
import { definitionOf } from '../dist/cli/definitions.js';
import { createLog } from '../dist/cli/log.js';
import { openStore } from '../dist/cli/models.js';

const [video, model = 'centernet-coco', framesText = '10000'] = process.argv.slice(2);
if (!video) {
  console.error('usage: node --expose-gc scripts/bench-memory.mjs VIDEO [model] [frames]');
  process.exit(2);
}
const wanted = Number(framesText);
const samples = [];
let seen = 0;
let enough;
const done = new Promise((resolve) => (enough = resolve));
const pipeline = await Pipeline.prepare([await definitionOf(video, { model, loop: true })], {
  store: openStore(),
  log: createLog(),
  sinksFor: () => [
    {
      kind: 'meter',
      deliver: () => {
        seen += 1;
        if (seen % 1000 === 0) samples.push({ frames: seen, rss_mib: Number((process.memoryUsage.rss() / 2 ** 20).toFixed(1)) });
        if (seen === wanted) enough();
      },
      close: () => undefined,
    },
  ],
});
await pipeline.start();
await done;
await pipeline.stop();
const first = samples[0].rss_mib;
const last = samples.at(-1).rss_mib;
console.log(JSON.stringify({ model, frames: wanted, rss_mib: samples, growth_mib: Number((last - first).toFixed(1)), buffers_in_use_at_the_end: pipeline.pools.map(({ inUse }) => inUse) }, null, 2));
await pipeline.close();
