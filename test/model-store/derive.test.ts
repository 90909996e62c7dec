import { readdirSync, readFileSync, mkdirSync, writeFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, test } from 'vitest';
import { ModelStore, type DerivedModel, type InstalledModel } from '../../src/model-store/store.js';
import { storePaths, type StorePaths } from '../../src/model-store/store-paths.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { tinyDetector } from '../fixtures/tiny-onnx.js';

const root = tempFolder();
let runs = 0;
let paths: StorePaths;
let store: ModelStore;
let parent: InstalledModel;

beforeEach(async () => {
  const home = join(root, String((runs += 1)));
  paths = { models: join(home, 'models'), cache: join(home, 'cache'), shipped: storePaths({}).shipped };
  store = new ModelStore(paths, {});
  const source = join(home, 'source');
  const { manifest, original } = tinyDetector();
  mkdirSync(source, { recursive: true });
  writeFileSync(join(source, manifest.file), original);
  writeFileSync(join(source, 'manifest.json'), JSON.stringify({ ...manifest, baseline: { dataset: 'x', map50: 0.5, map5095: 0.3 } }));
  parent = await store.add(source);
});

/** The tiny detector at another size: another network. */
const larger = tinyDetector({ width: 64, height: 64 });
const child = (more: Partial<DerivedModel> = {}): DerivedModel => ({ id: 'child', title: 'Child', onnx: larger.original, input: larger.manifest.input, operation: { kind: 'resize', to: 64 }, ...more });

const contents = (folder: string): Record<string, string> => Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name)).toString('base64')]));

describe('a derived model', () => {
  it('is installed with what differs and all else of its parent, which stays as it is', async () => {
    const before = contents(parent.folder);
    const { manifest } = await store.derive(parent.manifest, child());
    expect(manifest).toMatchObject({ id: 'child', title: 'Child', input: { width: 64 }, head: parent.manifest.head, labels: ['cat', 'dog'], licence: 'MIT', baseline: null });
    expect(manifest.sha256).toBe(larger.manifest.sha256);
    expect(contents(parent.folder)).toEqual(before);
    expect((await store.resolve('child')).manifest).toEqual(manifest);
    expect((await store.list()).filter(({ status }) => status === 'added').map(({ id }) => id)).toEqual(['child', 'tiny-rows']);
  });

  it('knows how it was made, over generations', async () => {
    const first = await store.derive(parent.manifest, child());
    const second = await store.derive(first.manifest, child({ id: 'grandchild', operation: { kind: 'quantize', figures: { map50: 0.4 } } }));
    expect(second.manifest.lineage).toEqual({ parent: 'child', origin: parent.manifest.lineage.origin, operations: [{ kind: 'resize', to: 64 }, { kind: 'quantize', figures: { map50: 0.4 } }] });
  });

  it('has its reports beside it', async () => {
    const { folder } = await store.derive(parent.manifest, child({ files: { 'report.html': '<p>', 'boxes.png': Uint8Array.of(1, 2) } }));
    expect(readFileSync(join(folder, 'report.html'), 'utf8')).toBe('<p>');
    expect([...readFileSync(join(folder, 'boxes.png'))]).toEqual([1, 2]);
  });

  it('no file of a caller takes the place of the network or the manifest', async () => {
    const { folder, manifest } = await store.derive(parent.manifest, child({ files: { 'manifest.json': '{}', 'model.onnx': 'no' } }));
    expect(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'))).toEqual(manifest);
    expect(readFileSync(join(folder, 'model.onnx')).equals(larger.original)).toBe(true);
  });
});

describe('leaves nothing behind', () => {
  test.each<[string, Partial<DerivedModel>, string]>([
    ['where the name is taken', { id: 'tiny-rows' }, 'ERR_MODEL_EXISTS'],
    ['where the name is that of a shipped model', { id: 'centernet-coco' }, 'ERR_MODEL_EXISTS'],
    ['where it is no name', { id: '../child' }, 'ERR_USAGE'],
    ['where its head is none', { head: { kind: 'darknet' } }, 'ERR_MODEL_MANIFEST'],
  ])('%s', async (_, more, code) => {
    const before = [readdirSync(paths.models), contents(parent.folder)];
    await expect(store.derive(parent.manifest, child(more))).rejects.toMatchObject({ code });
    expect([readdirSync(paths.models), contents(parent.folder)]).toEqual(before);
    expect(existsSync(join(paths.models, '..', 'child'))).toBe(false);
  });

  it('assertFree says so before long work', async () => {
    await expect(store.assertFree('tiny-rows')).rejects.toMatchObject({ code: 'ERR_MODEL_EXISTS' });
    await expect(store.assertFree('No Name')).rejects.toMatchObject({ code: 'ERR_USAGE' });
    await expect(store.assertFree('free')).resolves.toBeUndefined();
  });
});
