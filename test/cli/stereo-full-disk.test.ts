import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli } from '../fixtures/cli.js';
import { REPOSITORY } from '../fixtures/repository.js';
import { tempFolder } from '../fixtures/temp-folder.js';

const folder = tempFolder();
const missing = existsSync('/dev/full') ? '' : ' (skipped: no /dev/full here)';

// Workers are in the middle of a pair then: cut off there, onnxruntime would abort the process.
test.skipIf(missing)(`a full disk under a stereo stream ends it with its code${missing}`, { timeout: 60_000 }, async () => {
  const definition = readFileSync(join(REPOSITORY, 'streams', 'demo-stereo.yaml'), 'utf8')
    .replaceAll('demo/', `${join(REPOSITORY, 'streams', 'demo')}/`)
    .replace(/ {2}- id: detect[\s\S]*?(?= {2}- id: space)/, '');
  const path = join(folder, 'rig.yaml');
  writeFileSync(path, definition);
  const { status, stderr } = await runCli(['run', path, '--once', '--no-server', '--out', '/dev/full'], join(folder, 'home'));
  expect(stderr).toContain('ERR_DISK_FULL');
  expect(status).toBe(1);
});
