import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'vitest';
import { tinyModelFolder } from '../fixtures/cli.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { contentModelFolder } from './many-boxes.js';
import { expectFound, streamOf, study } from './prove.js';

const folder = tempFolder();

describe('a disturbance that is put into a running pipeline is found where it was put', () => {
  test('model: jitter of the detector', async (context) => {
    const stream = await streamOf(folder, tinyModelFolder(folder));
    expectFound(context, await study(stream, 'model:spike:30ms:40%', folder), { stage: 'detect', factor: 'model' });
  });

  test('data: pictures with many objects among pictures with none', async (context) => {
    const own = join(folder, 'content');
    mkdirSync(own);
    const stream = await streamOf(own, contentModelFolder(own));
    expectFound(context, await study(stream, 'content:blank:40%', folder), { stage: 'detect', factor: 'data' });
  });
});
