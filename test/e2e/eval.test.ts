import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { runCli } from '../fixtures/cli.js';
import { missingShared, sharedFile } from '../fixtures/index.js';
import { tempFolder } from '../fixtures/temp-folder.js';

interface Baseline {
  readonly tolerance: number;
  readonly multiLabel: { readonly map50: number; readonly map5095: number };
}

const home = tempFolder();
const baselines = JSON.parse(readFileSync(new URL('../golden/quality.json', import.meta.url), 'utf8')) as Record<string, Baseline>;
const dataset = sharedFile('data/coco128');
const darknet = sharedFile('models/yolo-fastest-1.1-xl/yolo-fastest-1.1-xl.cfg');

describe.skipIf(!dataset || !darknet)(`lynceus eval against an independent computation${dataset && darknet ? '' : ` (skipped: ${missingShared('data/coco128')} or the model is)`}`, () => {
  // The whole way: ffmpeg's decoding and scaling, our importer, runtime, decoder, suppression and scores.
  test.each([
    ['yolo-fastest-1.1-xl', darknet!],
    ['centernet-coco', 'centernet-coco'],
  ])(
    '%s',
    async (id, model) => {
      const { status, stdout, stderr } = await runCli(['eval', dataset!, '--model', model, '--json'], home);
      expect(status, stderr).toBe(0);
      const { images, failed_images: failed, map50, map5095 } = JSON.parse(stdout) as { images: number; failed_images: number; map50: number; map5095: number };
      const { tolerance, multiLabel } = baselines[id]!;
      expect({ images, failed }).toEqual({ images: 128, failed: 0 });
      expect(Math.abs(map50 - multiLabel.map50)).toBeLessThanOrEqual(tolerance);
      expect(Math.abs(map5095 - multiLabel.map5095)).toBeLessThanOrEqual(tolerance);
    },
    120_000,
  );
});
