import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Ajv2020 from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { beforeAll, describe, expect, test } from 'vitest';
import type { FrameMessage, StatsMessage } from '../../src/protocol/index.js';
import { schemas } from '../../src/protocol/schemas.js';
import { parseNdjson, runCli, startCli } from '../fixtures/cli.js';
import { makeClip, missingShared, sharedFile } from '../fixtures/index.js';
import { tempFolder } from '../fixtures/temp-folder.js';

const ajv = new Ajv2020.default({ strict: true, allowUnionTypes: true });
addFormats.default(ajv);
const isFrame = ajv.compile(schemas()['frame']!);

const dataset = sharedFile('data/coco128');
const darknet = sharedFile('models/yolo-fastest-1.1/yolo-fastest-1.1.cfg');

describe.skipIf(!dataset || !darknet)(`a guarded stream from the command line${dataset && darknet ? '' : ` (skipped: ${missingShared('data/coco128')} or the model is)`}`, () => {
  const home = tempFolder();
  let clip: string;

  const run = async (...args: string[]) => {
    const { status, stdout, stderr } = await runCli(['run', clip, '--model', 'yolo', '--no-server', ...args], home);
    expect(status, stderr).toBe(0);
    return stdout;
  };
  const framesIn = (path: string) => parseNdjson(readFileSync(path, 'utf8')).filter(({ type }) => type === 'frame') as unknown as FrameMessage[];

  beforeAll(async () => {
    clip = await makeClip({ frames: 30 });
    const { status, stderr } = await runCli(['models', 'add', darknet!, '--id', 'yolo', '--no-self-check'], home);
    expect(status, stderr).toBe(0);
  }, 60_000);

  test('needs a clean profile, and says how to get one', async () => {
    const { status, stderr } = await runCli(['run', clip, '--model', 'yolo', '--guard', '--no-server'], home);
    expect(status).toBe(2);
    expect(stderr).toContain('ERR_GUARD_PROFILE_MISSING');
    expect(stderr).toMatch(/lynceus guard calibrate .* --model yolo/);
  });

  test('says of every frame what the guard did, the same each time, and sums it up', async () => {
    const calibrated = await runCli(['guard', 'calibrate', dataset!, '--model', 'yolo', '--limit', '12'], home);
    expect(calibrated.status, calibrated.stderr).toBe(0);
    const [firstFile, secondFile] = [join(home, 'first.ndjson'), join(home, 'second.ndjson')];
    const { streams } = JSON.parse(await run('--guard', '--out', firstFile, '--json')) as { streams: StatsMessage[] };
    expect(await run('--guard', '--out', secondFile)).toMatch(/^guard: frames \d+ (guarded|degraded)/m);
    const [first, second] = [framesIn(firstFile), framesIn(secondFile)];
    expect(first).toHaveLength(30);
    for (const frame of first) {
      expect(isFrame(frame), JSON.stringify(isFrame.errors)).toBe(true);
      // A test picture is full of odd things: verifying them all may be more than the budget allows.
      expect(['guarded', 'degraded']).toContain(frame.guard?.state);
      expect(frame.guard?.reason).toBe(frame.guard?.state === 'degraded' ? 'budget' : undefined);
      expect(frame.timings.map(({ stage }) => stage)).toEqual(['source', 'detect', 'guard', 'deliver']);
      for (const { guard } of frame.detections) expect(['untouched', 'recovered']).toContain(guard);
    }
    for (const { state, count } of streams[0]!.guard!.frames) expect(first.filter(({ guard }) => guard?.state === state)).toHaveLength(count);
    expect(streams[0]!.guard!.frames.reduce((sum, { count }) => sum + count, 0)).toBe(30);
    const withoutTimes = ({ seq, detections, patches, suppressed, guard }: FrameMessage) => ({ seq, detections, patches, suppressed, guard });
    expect(second.map(withoutTimes)).toEqual(first.map(withoutTimes));
  }, 120_000);

  test('ends in order when it is told to, in the middle of its work', async () => {
    const running = startCli(['run', clip, '--model', 'yolo', '--guard', '--loop', '--port', '0'], home);
    const [, url] = await running.said(/viewer\s+(http:\S+)/);
    const delivered = async () => [...(await (await fetch(`${url}/metrics`)).text()).matchAll(/lynceus_guard_frames_total\{\S*state="(?:guarded|degraded)"\S*\} (\d+)/g)].reduce((sum, [, frames]) => sum + Number(frames), 0);
    await expect.poll(delivered, { timeout: 30_000 }).toBeGreaterThan(5);
    running.child.kill('SIGTERM');
    const { status, stderr } = await running.finished;
    expect(status, stderr).toBe(0);
  }, 60_000);
});
