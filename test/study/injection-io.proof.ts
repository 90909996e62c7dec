import { describe, test } from 'vitest';
import { tinyModelFolder } from '../fixtures/cli.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { expectFound, PROOF_TIMEOUT_MS, streamOf } from './prove.js';

const folder = tempFolder();

describe('a disturbance that is put into a running pipeline is found where it was put', () => {
  test('input: jitter of the decoder', async (context) => {
    const stream = await streamOf(folder, tinyModelFolder(folder));
    await expectFound(context, stream, 'decode:gauss:12ms', folder, { stage: 'source', factor: 'io' });
  }, PROOF_TIMEOUT_MS);

  test('input: a link that loses packets', async (context) => {
    const stream = await streamOf(folder, tinyModelFolder(folder));
    await expectFound(context, stream, 'link:loss:8%', folder, { stage: 'transport', factor: 'io' });
  }, PROOF_TIMEOUT_MS);
});
