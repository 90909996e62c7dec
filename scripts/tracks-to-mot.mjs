// Tracks of a run as MOTChallenge's gt.txt: what a strong detector follows in a clean video is a truth to attack and to compare against, where nobody drew one.
//
//   lynceus run clip.mp4 --model centernet-coco --track --once --no-server --out tracks.ndjson
//   node scripts/tracks-to-mot.mjs tracks.ndjson [--label person] [--least 0.4] > gt.txt
//
// A row: frame (from 1), track, left, top, width, height in pixels, 1, 1, 1.
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

const { values: options, positionals } = parseArgs({ allowPositionals: true, options: { label: { type: 'string', default: 'person' }, least: { type: 'string', default: '0.4' } } });
const [path] = positionals;
const least = Number(options.least);
if (!path || !(least >= 0 && least <= 1)) {
  console.error('usage: node scripts/tracks-to-mot.mjs <tracks.ndjson> [--label person] [--least 0..1]');
  process.exit(2);
}
try {
  for await (const line of createInterface({ input: createReadStream(path) })) {
    if (!line.trim()) continue;
    const { type, seq, detections } = JSON.parse(line);
    if (type !== 'frame') continue;
    for (const { label, score, track_id: track, bbox } of detections) {
      if (label === options.label && track !== undefined && score >= least) console.log([seq + 1, track, ...bbox.map((value) => value.toFixed(1)), 1, 1, 1].join(','));
    }
  }
} catch (error) {
  console.error(`${path}: ${error.message}`);
  process.exit(1);
}
