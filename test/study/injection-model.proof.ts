import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { tinyModelFolder } from '../fixtures/cli.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { contentModelFolder } from './many-boxes.js';
import { expectFound, PROOF_TIMEOUT_MS, streamOf } from './prove.js';

const folder = tempFolder();

describe('a disturbance that is put into a running pipeline is found where it was put', () => {
  test('model: jitter of the detector', async (context) => {
    const stream = await streamOf(folder, tinyModelFolder(folder));
    await expectFound(context, stream, 'model:spike:30ms:40%', folder, { stage: 'detect', factor: 'model' });
  }, PROOF_TIMEOUT_MS);

  test('data: pictures with many objects among pictures with none', async (context) => {
    const own = join(folder, 'content');
    mkdirSync(own);
    const stream = await streamOf(own, contentModelFolder(own));
    await expectFound(context, stream, 'content:blank:20%', folder, { stage: 'detect', factor: 'data' });
  }, PROOF_TIMEOUT_MS);
});
