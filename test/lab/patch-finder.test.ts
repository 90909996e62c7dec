import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const PYTHON = process.env['LYNCEUS_LAB_PYTHON'] ?? 'python3';
const LAB = fileURLToPath(new URL('../../models/lab/patch-finder/', import.meta.url));
const hasLibraries = spawnSync(PYTHON, ['-c', 'import torch, cv2, onnx, onnxruntime']).status === 0;
const missing = hasLibraries ? '' : ` (skipped: ${PYTHON} lacks models/lab/detector/requirements.txt; LYNCEUS_LAB_PYTHON names another)`;

describe.skipIf(!hasLibraries)(`the lab of the patch finder${missing}`, () => {
  test('its own tests hold', () => {
    const { status, stderr } = spawnSync(PYTHON, ['-B', '-m', 'unittest', 'discover', '-s', 'tests'], { cwd: LAB, encoding: 'utf8' });
    expect(stderr).toMatch(/Ran [1-9]\d* tests/);
    expect(status, stderr).toBe(0);
  }, 300_000);
});
