import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Assumption } from '../../src/core/assumption.js';
import type { SelfCheckReport } from '../../src/model-store/self-check.js';
import { parseAnchors } from '../../src/cli/commands/models/model-options.js';
import { runCli } from '../fixtures/cli.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { detector, namesMetadata, VARIANTS } from '../model-store/export-variants.js';

const folder = tempFolder();

/** A YOLOv8 that lies turned, in fractions of the picture; its weights are random. */
function turned(): string {
  const made = detector({ width: 96, height: 96, strides: [8, 16, 32], classes: 3, seed: 2 });
  VARIANTS.find(({ name }) => name === 'YOLOv8 in fractions [1,4+C,N]')!.outputs(made);
  const path = join(folder, 'turned.onnx');
  writeFileSync(path, made.graph.build(namesMetadata(3)));
  return path;
}

interface Inspected {
  readonly manifest: { readonly id: string; readonly input: { readonly color: string } };
  readonly facts: { readonly convolutionMacs: number };
  readonly assumptions: readonly Assumption[];
  readonly selfCheck: SelfCheckReport | null;
}

describe('add', { timeout: 60_000 }, () => {
  test('tries the model, says what looks wrong on stderr, keeps the drawing; inspect tells what was assumed', async () => {
    const home = join(folder, 'home');
    const added = await runCli(['models', 'add', turned()], home);
    expect(added).toMatchObject({ status: 0, stdout: '' });
    expect(added.stderr).toMatch(/self-check on self-check\.jpg: .*boxes/);
    // Random weights find hundreds of things.
    expect(added.stderr).toMatch(/warning SELF_CHECK_TOO_MANY/);
    expect(added.stderr).toMatch(/advice/);
    expect(existsSync(join(home, 'models', 'turned', 'self-check.png'))).toBe(true);

    const { stdout, status } = await runCli(['models', 'inspect', 'turned', '--json'], home);
    expect(status).toBe(0);
    const { assumptions, selfCheck, facts } = JSON.parse(stdout) as Inspected;
    // Three convolutions that see the whole picture, and the product that turns fractions into pixels.
    expect(facts.convolutionMacs).toBe(3 * 8 * 3 * 96 * 96 + (144 + 36 + 9) * 4 * 4);
    expect(selfCheck!.warnings.map(({ code }) => code)).toContain('SELF_CHECK_TOO_MANY');
    expect(assumptions.find(({ what }) => what === 'boxes')).toMatchObject({ value: 'cxcywh in fractions of the picture', source: 'measured' });
    expect(assumptions.find(({ what }) => what === 'class names')).toMatchObject({ source: 'metadata' });

    const table = await runCli(['models', 'inspect', 'turned'], home);
    expect(table.stdout).toMatch(/boxes +cxcywh in fractions of the picture +measured +read so, they lie/);
    expect(table.stdout).toMatch(/rewrite-head > recognise-head > self-check/);
  });

  test('--no-self-check draws nothing; --json prints the manifest alone', async () => {
    const home = join(folder, 'quiet');
    const { status, stdout, stderr } = await runCli(['models', 'add', turned(), '--no-self-check', '--json'], home);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect((JSON.parse(stdout) as { id: string }).id).toBe('turned');
    expect(existsSync(join(home, 'models', 'turned', 'self-check.png'))).toBe(false);
  });
});

describe('inspect', { timeout: 60_000 }, () => {
  test('explains a file that was not added, with the options of add, and adds nothing', async () => {
    const home = join(folder, 'empty');
    const png = join(folder, 'seen.png');
    const { stdout, status } = await runCli(['models', 'inspect', turned(), '--color', 'bgr', '--boxes', 'cxcywh', '--self-check', png, '--json'], home);
    expect(status).toBe(0);
    const { manifest, assumptions, selfCheck } = JSON.parse(stdout) as Inspected;
    expect(manifest.input.color).toBe('bgr');
    expect(assumptions.find(({ what }) => what === 'colour order')).toMatchObject({ source: 'option', evidence: '--color bgr' });
    expect(assumptions.find(({ what }) => what === 'boxes')).toMatchObject({ source: 'option', value: 'cxcywh in fractions of the picture' });
    expect(selfCheck!.boxes).toBeGreaterThan(0);
    expect(existsSync(png)).toBe(true);
    expect(existsSync(join(home, 'models'))).toBe(false);
  });

  test('of an installed model: options that would change its reading are refused, a shipped one says where its facts come from', async () => {
    const home = join(folder, 'shipped');
    expect(await runCli(['models', 'inspect', 'centernet-coco', '--head', 'yolov8'], home)).toMatchObject({ status: 2, stderr: expect.stringContaining('ERR_USAGE') as string });
    const { assumptions } = JSON.parse((await runCli(['models', 'inspect', 'centernet-coco', '--json'], home)).stdout) as Inspected;
    expect(new Set(assumptions.map(({ source }) => source))).toEqual(new Set(['manifest']));
  });
});

test.each<[string, readonly (readonly (readonly [number, number])[])[]]>([
  ['10,13 16,30', [[[10, 13], [16, 30]]]],
  ['10,13 16,30 / 30,61', [[[10, 13], [16, 30]], [[30, 61]]]],
  ['10x13,16x30', [[[10, 13], [16, 30]]]],
])('anchors: %s', (text, expected) => {
  expect(parseAnchors(text)).toEqual(expected);
});

test.each(['', '10', '10,13 16', '10,-3', '10,13 //', 'a,b'])('no anchors: "%s"', (text) => {
  expect(() => parseAnchors(text)).toThrow(/pairs of width and height/);
});
