import { describe, test } from 'vitest';
import { tinyModelFolder } from '../fixtures/cli.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { expectFound, PROOF_TIMEOUT_MS, streamOf } from './prove.js';

const folder = tempFolder();

describe('a disturbance that is put into a running pipeline is found where it was put', () => {
  test('runtime: a storm of garbage collections', async (context) => {
    const stream = await streamOf(folder, tinyModelFolder(folder));
    await expectFound(context, stream, 'gc:storm:60ms', folder, { factor: 'runtime' });
  }, PROOF_TIMEOUT_MS);

  test('hardware: 40 % of the CPU', async (context) => {
    const stream = await streamOf(folder, tinyModelFolder(folder));
    await expectFound(context, stream, 'cpu:40%', folder, { factor: 'hardware' });
  }, PROOF_TIMEOUT_MS);

  test('end to end: results that are taken slowly', async (context) => {
    const stream = await streamOf(folder, tinyModelFolder(folder));
    await expectFound(context, stream, 'deliver:spike:30ms:40%', folder, { stage: 'deliver', factor: 'end-to-end' });
  }, PROOF_TIMEOUT_MS);
});
