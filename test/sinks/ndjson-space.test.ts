import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { OccupancyDecoder } from '../../src/client/occupancy-decoder.js';
import type { MissingOccupancy, OccupancyReport } from '../../src/core/occupancy-report.js';
import { gridOf } from '../../src/core/voxel-grid.js';
import { OctreeDeltas } from '../../src/occupancy/octree-deltas.js';
import { nestedCells, octreeOf } from '../../src/occupancy/octree.js';
import type { OccupancyMessage } from '../../src/protocol/messages.js';
import { NdjsonSink } from '../../src/sinks/ndjson-sink.js';
import { TextOutput } from '../../src/sinks/text-output.js';
import { parseNdjson } from '../fixtures/cli.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { fakeDelivered, fakeFrame, fakeStream } from '../server/fixture.js';

const GRID = gridOf(32);

/** A report of these cells. */
function report(deltas: OctreeDeltas, cells: readonly number[]): OccupancyReport {
  const tree = octreeOf(nestedCells(64, Uint32Array.from(cells)));
  const nearest = { fromDeg: -30, toDeg: 30, distanceM: Float32Array.of(2.5, Infinity) };
  return { grid: GRID, level: 32, tree, update: deltas.next(tree, GRID), nearest, computedShare: 0.125 };
}

test('occupied space follows its frame on a line of its own, as keyframe and deltas that a client reads; a frame without has none', async () => {
  const file = join(tempFolder(), 'out.ndjson');
  const sink = new NdjsonSink(await TextOutput.toFile(file));
  const stream = fakeStream('yard');
  const deltas = new OctreeDeltas();
  const missing: MissingOccupancy = { code: 'ERR_STEREO_UNPAIRED', message: 'the right camera gave no picture of this moment' };
  const space = [report(deltas, [0, 1, 4000]), missing, report(deltas, [1, 4000, 9000])];
  for (const [sequence, occupancy] of space.entries()) {
    const frame = fakeFrame(stream, sequence);
    await sink.deliver(fakeDelivered(stream, frame, { occupancy }));
    frame.release();
  }
  await sink.close();
  const lines = parseNdjson(readFileSync(file, 'utf8')) as (OccupancyMessage | { readonly type: 'frame'; readonly seq: number; readonly occupancy?: unknown })[];
  expect(lines.map((line) => `${line.type} ${line.seq}`)).toEqual(['frame 0', 'occupancy 0', 'frame 1', 'frame 2', 'occupancy 2']);
  expect(lines[2]).toMatchObject({ occupancy: { code: 'ERR_STEREO_UNPAIRED' } });
  const decoder = new OccupancyDecoder();
  const cells = lines.flatMap((line) => (line.type === 'occupancy' && decoder.follow(line) ? [[...decoder.voxels(64).cells]] : []));
  expect(cells).toEqual([[0, 1, 4000], [1, 4000, 9000]]);
});
