import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ModelStore } from '../../src/model-store/store.js';
import { storePaths } from '../../src/model-store/store-paths.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { finderModel } from '../fixtures/tiny-onnx.js';
import { ordinaryFinderProfile, ordinaryProfile } from '../guard/ordinary-profile.js';
import { darknetPair } from './test-models.js';

const root = tempFolder();
const ONNX = finderModel();
const SHA256 = createHash('sha256').update(ONNX).digest('hex');
let homes = 0;

interface Place {
  readonly store: ModelStore;
  /** Where the finder of the package is. */
  readonly folder: string;
  readonly cfg: string;
  /** The same home with another finder. */
  withFinder(path: string): ModelStore;
}

/** A home of its own, with a package that holds a finder. */
function place(): Place {
  const home = join(root, String((homes += 1)));
  const shipped = join(home, 'package');
  const folder = join(shipped, 'patch-finder');
  mkdirSync(folder, { recursive: true });
  cpSync(join(storePaths({}).shipped, 'catalog.json'), join(shipped, 'catalog.json'));
  writeFileSync(join(folder, 'finder.onnx'), ONNX);
  writeFileSync(join(folder, 'finder.json'), JSON.stringify({ title: 'Of a test', licence: 'MIT', file: 'finder.onnx', sha256: SHA256 }));
  const { cfg, weights } = darknetPair();
  writeFileSync(join(home, 'net.cfg'), cfg);
  writeFileSync(join(home, 'net.weights'), weights);
  const open = (finder?: string): ModelStore => new ModelStore({ ...storePaths({ LYNCEUS_HOME: home, ...(finder && { LYNCEUS_FINDER: finder }) }), shipped }, {});
  return { store: open(), folder, cfg: join(home, 'net.cfg'), withFinder: open };
}

describe('the patch finder', () => {
  it('comes with the package, and is no model that a stream could run', async () => {
    const { store, folder } = place();
    expect(await store.resolveFinder()).toEqual({ path: join(folder, 'finder.onnx'), sha256: SHA256 });
    expect((await store.list()).map(({ id }) => id)).not.toContain('patch-finder');
    await expect(store.resolve('patch-finder')).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' });
  });

  it('is the one that the user names', async () => {
    const { folder, withFinder } = place();
    const path = join(folder, '..', 'own.onnx');
    writeFileSync(path, 'another');
    expect(await withFinder(path).resolveFinder()).toEqual({ path, sha256: createHash('sha256').update('another').digest('hex') });
    rmSync(path);
    await expect(withFinder(path).resolveFinder()).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND', message: expect.stringContaining(path) as string });
  });

  it.each<[string, (folder: string) => void, string]>([
    ['is missing with its folder', (folder) => rmSync(folder, { recursive: true }), 'ERR_MODEL_NOT_FOUND'],
    ['is missing beside what is said of it', (folder) => rmSync(join(folder, 'finder.onnx')), 'ERR_MODEL_NOT_FOUND'],
    ['is damaged', (folder) => writeFileSync(join(folder, 'finder.onnx'), ONNX.subarray(1)), 'ERR_MODEL_CHECKSUM'],
    ['is said nothing of', (folder) => writeFileSync(join(folder, 'finder.json'), '{}'), 'ERR_MODEL_MANIFEST'],
    ['is somewhere else', (folder) => writeFileSync(join(folder, 'finder.json'), JSON.stringify({ file: '../finder.onnx', sha256: SHA256 })), 'ERR_MODEL_MANIFEST'],
  ])('that %s is told, with a way out', async (_, spoil, code) => {
    const { store, folder } = place();
    spoil(folder);
    await expect(store.resolveFinder()).rejects.toMatchObject({ code, fix: expect.stringMatching(/nstall lynceus anew/) as string });
  });

  it('goes with a guarded model whose profile was learnt with it, and with no other', async () => {
    const { store, folder, cfg, withFinder } = place();
    await store.add(cfg);
    const { manifest, tap } = await store.resolveTapped('net');
    for (const search of ['finder', 'both'] as const) {
      await store.saveProfile('net', ordinaryFinderProfile(manifest, tap, search, SHA256));
      expect(await store.resolveGuarded('net')).toMatchObject({ profile: { search }, finder: { path: join(folder, 'finder.onnx'), sha256: SHA256 } });
    }
    const other = join(folder, 'other.onnx');
    writeFileSync(other, 'another');
    await expect(withFinder(other).resolveGuarded('net')).rejects.toMatchObject({ code: 'ERR_GUARD_PROFILE_INVALID', message: expect.stringContaining('another patch finder') as string, fix: expect.stringContaining('guard calibrate') as string });
  });

  it('is not asked for by a profile of evidence alone', async () => {
    const { store, folder, cfg } = place();
    await store.add(cfg);
    const { manifest, tap } = await store.resolveTapped('net');
    rmSync(folder, { recursive: true });
    await store.saveProfile('net', ordinaryProfile(manifest, tap));
    expect((await store.resolveGuarded('net')).finder).toBeUndefined();
    await store.saveProfile('net', ordinaryFinderProfile(manifest, tap, 'both', SHA256));
    await expect(store.resolveGuarded('net')).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' });
  });
});
