import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ModelStore } from '../../src/model-store/store.js';
import { rejectionOf } from '../fixtures/failure.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { occupancyManifest } from '../occupancy/network/occupancy-model.js';

const root = tempFolder();
const paths = { models: join(root, 'home/models'), cache: join(root, 'home/cache'), shipped: join(root, 'shipped') };
const store = new ModelStore(paths, {});

/** The store reads no graph: any bytes do. */
function install(folder: string, id: string): string {
  const path = join(folder, id);
  mkdirSync(path, { recursive: true });
  const graph = (file: string) => {
    writeFileSync(join(path, file), `${id} ${file}`);
    return { file, sha256: createHash('sha256').update(`${id} ${file}`).digest('hex') };
  };
  const manifest = { ...occupancyManifest(), id, files: { coarse: graph('coarse.onnx'), fine: graph('fine.onnx') } };
  writeFileSync(join(path, 'manifest.json'), JSON.stringify(manifest));
  return path;
}

mkdirSync(paths.shipped, { recursive: true });
writeFileSync(join(paths.shipped, 'catalog.json'), '{ "models": [] }');

test('one that ships, one of the user, one by its path', async () => {
  const shipped = install(paths.shipped, 'space');
  expect(await store.resolveOccupancy('space')).toMatchObject({ manifest: { id: 'space' }, folder: shipped, coarsePath: join(shipped, 'coarse.onnx'), finePath: join(shipped, 'fine.onnx') });
  install(paths.models, 'mine');
  expect((await store.resolveOccupancy('mine')).folder).toBe(join(paths.models, 'mine'));
  const elsewhere = install(join(root, 'runs'), 'third');
  expect((await store.resolveOccupancy(elsewhere)).manifest.id).toBe('third');
  expect(await store.list()).toEqual([
    expect.objectContaining({ id: 'space', status: 'included', occupancy: expect.objectContaining({ task: 'stereo-occupancy' }) as object }),
    expect.objectContaining({ id: 'mine', status: 'added' }),
  ]);
  expect((await store.list()).some((model) => 'manifest' in model)).toBe(false);
});

test('a graph that was changed, a model that is not there, a folder without one', async () => {
  const path = install(paths.models, 'changed');
  writeFileSync(join(path, 'fine.onnx'), 'other');
  expect(await rejectionOf(store.resolveOccupancy('changed'))).toMatchObject({ code: 'ERR_MODEL_CHECKSUM', message: expect.stringContaining('fine.onnx') as string });
  expect((await rejectionOf(store.resolveOccupancy('nowhere'))).code).toBe('ERR_MODEL_NOT_FOUND');
  expect((await rejectionOf(store.resolveOccupancy('../escape/'))).code).toBe('ERR_MODEL_NOT_FOUND');
  expect((await rejectionOf(store.resolveOccupancy('NoId'))).code).toBe('ERR_MODEL_NOT_FOUND');
});

test('it is no detector, and a detector is none', async () => {
  install(paths.models, 'wanted-as-detector');
  expect(await rejectionOf(store.resolve('wanted-as-detector'))).toMatchObject({ code: 'ERR_MODEL_TASK', fix: expect.stringContaining('models list') as string });
  const real = new ModelStore(undefined, {});
  expect(await rejectionOf(real.resolveOccupancy('centernet-coco'))).toMatchObject({ code: 'ERR_MODEL_TASK', message: expect.stringContaining('is a detector') as string });
});
