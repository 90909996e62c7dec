import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tinyModelFolder } from '../fixtures/cli.js';
import { startRtspServer } from '../fixtures/rtsp/rtsp-server.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { levelsOf, studyInput } from './study-inputs.js';

const folder = tempFolder();

test('a camera with a password: RTSP over TCP and over UDP', async () => {
  const camera = await startRtspServer({ width: 320, height: 240, fps: 25, frames: 100, auth: { scheme: 'digest', user: 'admin', password: 't0p-secret' } });
  try {
    const out = join(folder, 'camera');
    const study = await studyInput(camera.url, 'io,data.size', folder, ['--model', tinyModelFolder(folder), '--out', out]);
    expect(levelsOf(study, 'io')).toEqual([{ transport: 'tcp' }, { transport: 'udp' }]);
    expect(study.notes).toEqual(expect.arrayContaining([expect.stringContaining('data.size'), expect.stringContaining('data: nothing to vary')]));
    for (const file of ['report.html', 'spans.ndjson']) expect(readFileSync(join(out, file), 'utf8')).not.toContain('t0p-secret');
  } finally {
    await camera.close();
  }
}, 120_000);
