import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { GuardProfile, ShallowTap } from '../../src/guard/profile.js';
import { ModelStore, type TappedModel } from '../../src/model-store/store.js';
import { storePaths, type StorePaths } from '../../src/model-store/store-paths.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { ordinaryProfile } from '../guard/ordinary-profile.js';
import { darknetPair, noDetector } from './test-models.js';

const root = tempFolder();
/** What the convolution of `darknetPair` shows. */
const TAP: ShallowTap = { output: 'guard_tap', stride: 8, channels: 7, width: 3, height: 2 };
let homes = 0;

interface Place {
  readonly home: string;
  readonly paths: StorePaths;
  readonly store: ModelStore;
  /** Path of the cfg of a model that wasn't added. */
  readonly cfg: string;
}

/** A home of its own, with a package whose models are the test's. */
function place(): Place {
  const home = join(root, String((homes += 1)));
  const shipped = join(home, 'package');
  mkdirSync(shipped, { recursive: true });
  cpSync(join(storePaths({}).shipped, 'catalog.json'), join(shipped, 'catalog.json'));
  const { cfg, weights } = darknetPair();
  writeFileSync(join(home, 'net.cfg'), cfg);
  writeFileSync(join(home, 'net.weights'), weights);
  const paths = { ...storePaths({ LYNCEUS_HOME: home }), shipped };
  return { home, paths, store: new ModelStore(paths, {}), cfg: join(home, 'net.cfg') };
}

/** Makes an added model one that came with the package. */
async function ship({ store, paths, cfg }: Place, id = 'shipped-net'): Promise<string> {
  const { folder } = await store.add(cfg, { id });
  const target = join(paths.shipped, id);
  cpSync(folder, target, { recursive: true });
  await store.remove(id);
  return target;
}

function profileFor({ manifest }: Pick<TappedModel, 'manifest'>, description: string): GuardProfile {
  return ordinaryProfile(manifest, TAP, description);
}

describe('a tapped model', () => {
  it('lies beside the prepared one, is made once and found again', async () => {
    const { store, cfg } = place();
    await store.add(cfg);
    const { tap, tappedPath, preparedPath } = await store.resolveTapped('net');
    expect(tap).toEqual(TAP);
    expect(dirname(tappedPath)).toBe(dirname(preparedPath));
    expect(existsSync(preparedPath)).toBe(true);
    const made = statSync(tappedPath).mtimeMs;
    expect(await store.resolveTapped('net')).toMatchObject({ tap, tappedPath });
    expect(statSync(tappedPath).mtimeMs).toBe(made);
  });

  it('follows its model: what was made before goes, of either kind', async () => {
    const { store, cfg } = place();
    const { folder } = await store.add(cfg);
    const before = await store.resolveTapped('net');
    const path = join(folder, 'manifest.json');
    const manifest = JSON.parse(readFileSync(path, 'utf8')) as { input: { scale: number } };
    writeFileSync(path, JSON.stringify({ ...manifest, input: { ...manifest.input, scale: 0.5 } }));
    const after = await store.resolveTapped('net');
    expect(after.tappedPath).not.toBe(before.tappedPath);
    expect(after.preparedPath).not.toBe(before.preparedPath);
    const left = readdirSync(folder).filter((name) => /^(prepared|tapped)-/.test(name));
    expect(left.map((name) => name.replace(/-.*\./, '.')).sort()).toEqual(['prepared.onnx', 'tapped.json', 'tapped.onnx']);
  });

  it('half of one is made anew', async () => {
    const { store, cfg } = place();
    await store.add(cfg);
    const { tappedPath } = await store.resolveTapped('net');
    const facts = tappedPath.replace(/onnx$/, 'json');
    writeFileSync(tappedPath, 'half');
    rmSync(facts);
    expect((await store.resolveTapped('net')).tap).toEqual(TAP);
    expect(statSync(tappedPath).size).toBeGreaterThan(100);
  });

  it('many may ask for it at once', async () => {
    const { store, cfg } = place();
    await store.add(cfg);
    const all = await Promise.all(Array.from({ length: 6 }, () => store.resolveTapped('net')));
    expect(new Set(all.map(({ tappedPath }) => tappedPath)).size).toBe(1);
    expect(readdirSync(dirname(all[0]!.tappedPath)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('a model by path has one, too, outside its folder', async () => {
    const { store, cfg, paths, home } = place();
    const raw = await store.resolveTapped(cfg);
    expect(raw).toMatchObject({ tap: TAP, tappedPath: expect.stringContaining(paths.cache) as string });
    cpSync(raw.folder, join(home, 'mine'), { recursive: true });
    const before = readdirSync(join(home, 'mine'));
    expect(await store.resolveTapped(join(home, 'mine'))).toMatchObject({ tap: TAP, tappedPath: expect.stringContaining(paths.cache) as string });
    expect(readdirSync(join(home, 'mine'))).toEqual(before);
  });

  it('a model that can not have one is named', async () => {
    const { store, home } = place();
    const { folder } = await store.add(join(home, 'net.cfg'));
    // The same input and output, but nothing finer than the whole picture.
    const onnx = noDetector();
    writeFileSync(join(folder, 'model.onnx'), onnx);
    const manifest = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')) as Record<string, unknown>;
    const input = { ...(manifest['input'] as object), name: 'x', width: 32, height: 32 };
    writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, input, sha256: createHash('sha256').update(onnx).digest('hex') }));
    await expect(store.resolveTapped('net')).rejects.toMatchObject({ code: 'ERR_GUARD_TAP_MISSING', message: expect.stringContaining('net') as string });
  });
});

describe('a clean profile', () => {
  it('of an added model is in its folder, is found, listed, and goes with the model', async () => {
    const { store, cfg } = place();
    const { folder } = await store.add(cfg);
    await expect(store.resolveGuarded('net')).rejects.toMatchObject({ code: 'ERR_GUARD_PROFILE_MISSING', fix: 'lynceus guard calibrate <clean video or pictures> --model net' });
    expect(await store.findProfile('net')).toBeUndefined();
    expect((await store.list()).find(({ id }) => id === 'net')).not.toHaveProperty('guardProfile');

    const tapped = await store.resolveTapped('net');
    const profile = profileFor(tapped, 'yard');
    expect(await store.saveProfile('net', profile, { 'guard-report.html': '<html>' })).toBe(join(folder, 'guard.json'));
    expect(await store.resolveGuarded('net')).toEqual({ ...tapped, profile });
    expect(await store.findProfile('net')).toEqual({ profile, path: join(folder, 'guard.json'), origin: 'calibrated' });
    expect((await store.list()).find(({ id }) => id === 'net')).toMatchObject({ guardProfile: 'calibrated' });
    expect(readFileSync(join(folder, 'guard-report.html'), 'utf8')).toBe('<html>');

    await store.saveProfile('net', profileFor(tapped, 'street'));
    expect((await store.resolveGuarded('net')).profile.calibratedOn.description).toBe('street');

    await store.remove('net');
    await store.add(cfg);
    await expect(store.resolveGuarded('net')).rejects.toMatchObject({ code: 'ERR_GUARD_PROFILE_MISSING' });
  });

  it("came with the package, until the user's own wins; the package is never written to", async () => {
    const there = place();
    const { store, paths } = there;
    const shipped = await ship(there);
    const tapped = await store.resolveTapped('shipped-net');
    writeFileSync(join(shipped, 'guard.json'), JSON.stringify(profileFor(tapped, 'everywhere')));
    const before = readdirSync(shipped);
    expect(await store.findProfile('shipped-net')).toMatchObject({ origin: 'included', profile: { calibratedOn: { description: 'everywhere' } } });
    expect((await store.list()).find(({ id }) => id === 'shipped-net')).toMatchObject({ guardProfile: 'included' });

    const path = await store.saveProfile('shipped-net', profileFor(tapped, 'here'));
    expect(path.startsWith(paths.profiles!)).toBe(true);
    expect((await store.resolveGuarded('shipped-net')).profile.calibratedOn.description).toBe('here');
    expect((await store.list()).find(({ id }) => id === 'shipped-net')).toMatchObject({ guardProfile: 'calibrated' });
    expect(readdirSync(shipped)).toEqual(before);
  });

  it('of a model by path is kept by what the model is', async () => {
    const { store, cfg, home } = place();
    const tapped = await store.resolveTapped(cfg);
    await store.saveProfile(cfg, profileFor(tapped, 'path'));
    cpSync(tapped.folder, join(home, 'copy'), { recursive: true });
    expect((await store.resolveGuarded(join(home, 'copy'))).profile.calibratedOn.description).toBe('path');
  });

  it('given by its path counts before all others', async () => {
    const { store, cfg, home } = place();
    await store.add(cfg);
    const tapped = await store.resolveTapped('net');
    await store.saveProfile('net', profileFor(tapped, 'own'));
    writeFileSync(join(home, 'other.json'), JSON.stringify(profileFor(tapped, 'given')));
    expect((await store.resolveGuarded('net', join(home, 'other.json'))).profile.calibratedOn.description).toBe('given');
    await expect(store.resolveGuarded('net', join(home, 'gone.json'))).rejects.toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
  });

  it.each<[string, (profile: GuardProfile) => unknown, RegExp]>([
    ['of another model', (profile) => ({ ...profile, modelSha256: 'a'.repeat(64) }), /another model than net/],
    ['of another version', (profile) => ({ ...profile, version: 99 }), /version 99/],
    ['of other features', (profile) => ({ ...profile, tap: { ...profile.tap, output: 'other' } }), /is about other, 7 channels/],
    ['with a channel less', (profile) => ({ ...profile, cells: { ...profile.cells, mean: [1] } }), /cells\.mean: expected 7 numbers/],
  ])('%s is refused with the way out', async (_, change, message) => {
    const { store, cfg } = place();
    const { folder } = await store.add(cfg);
    const profile = profileFor(await store.resolveTapped('net'), 'yard');
    writeFileSync(join(folder, 'guard.json'), JSON.stringify(change(profile)));
    await expect(store.resolveGuarded('net')).rejects.toMatchObject({ code: 'ERR_GUARD_PROFILE_INVALID', message: expect.stringMatching(message) as string, fix: expect.stringContaining('guard calibrate') as string });
  });
});
