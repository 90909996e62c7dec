import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { download, publicUrl, type DownloadProgress } from '../../src/model-store/download.js';
import { FileServer, type Fault } from './file-server.js';

const FILE = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7919) >>> 3);
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const SHA256 = sha256(FILE);
const QUICK = { backoffMs: 1, stallMs: 10_000 };

let server: FileServer;
let folder: string;
let path: string;

beforeAll(async () => {
  server = await FileServer.start();
  server.files.set('/model.onnx', FILE);
});
afterAll(() => server.close());
beforeEach(() => {
  server.requests.length = 0;
  folder = mkdtempSync(join(tmpdir(), 'lynceus-download-'));
  path = join(folder, 'deep', 'model.onnx');
});
afterEach(() => {
  server.faults.length = 0;
  rmSync(folder, { recursive: true });
});

/** By sum: comparing element by element takes a test framework seconds. */
function expectDownloaded(file: Uint8Array): void {
  expect(sha256(readFileSync(path))).toBe(sha256(file));
}

const fetchModel = (more: { faults?: Fault[]; sha256?: string | undefined; url?: string; retries?: number; stallMs?: number; onProgress?: (progress: DownloadProgress) => void } = {}): Promise<void> => {
  const { faults = [], url = `${server.url}/model.onnx`, retries, stallMs } = more;
  const onProgress = (progress: DownloadProgress): void => {
    more.onProgress?.(progress);
    server.acknowledge(progress.doneBytes);
  };
  server.faults.push(...faults);
  return download({ url, path, sha256: 'sha256' in more ? more.sha256 : SHA256, onProgress }, { ...QUICK, ...(retries !== undefined && { retries }), ...(stallMs !== undefined && { stallMs }) });
};

test('a file comes whole, with progress to its end, and leaves no part', async () => {
  const progress: DownloadProgress[] = [];
  await fetchModel({ onProgress: (step) => progress.push(step) });
  expectDownloaded(FILE);
  expect(progress.at(-1)).toEqual({ doneBytes: FILE.length, totalBytes: FILE.length });
  expect(progress.map(({ doneBytes }) => doneBytes)).toEqual(progress.map(({ doneBytes }) => doneBytes).sort((a, b) => a - b));
  expect(existsSync(`${path}.part`)).toBe(false);
});

describe('a connection that is cut', () => {
  test('goes on where it stopped, as often as it takes', async () => {
    const seen: number[] = [];
    await fetchModel({ faults: [{ cutAfter: 100_000 }, { cutAfter: 50_000 }], onProgress: ({ doneBytes }) => seen.push(doneBytes) });
    expectDownloaded(FILE);
    expect(server.requests).toEqual(['/model.onnx all', '/model.onnx bytes=100000-', '/model.onnx bytes=150000-']);
    expect(seen.at(-1)).toBe(FILE.length);
  });

  test('by a later run, too: the part of the earlier one is used', async () => {
    await expect(fetchModel({ faults: [{ cutAfter: 200_000 }], retries: 0 })).rejects.toMatchObject({ code: 'ERR_DOWNLOAD_FAILED', fix: expect.stringContaining('goes on') as string });
    await fetchModel();
    expect(server.requests.at(-1)).toBe('/model.onnx bytes=200000-');
    expectDownloaded(FILE);
  });

  test('with a server that knows no ranges starts over', async () => {
    await fetchModel({ faults: [{ cutAfter: 100_000 }, { ignoreRange: true }] });
    expectDownloaded(FILE);
  });

  test('while the file is replaced by another starts over', async () => {
    const other = FILE.map((byte) => byte ^ 255);
    const done = fetchModel({ sha256: sha256(other), faults: [{ cutAfter: 100_000 }], onProgress: () => server.files.set('/model.onnx', other) });
    await done.finally(() => server.files.set('/model.onnx', FILE));
    expectDownloaded(other);
  });

  test('by silence counts as cut', async () => {
    await fetchModel({ faults: [{ silent: true }], stallMs: 200 });
    expect(server.requests).toHaveLength(2);
    expectDownloaded(FILE);
  });
});

describe('the part of an earlier run', () => {
  const writePart = async (bytes: Uint8Array): Promise<void> => {
    await fetchModel({ faults: [{ cutAfter: 1 }], retries: 0 }).catch(() => undefined);
    writeFileSync(`${path}.part`, bytes);
  };

  test('that is complete needs no byte more', async () => {
    await writePart(FILE);
    await fetchModel();
    expect(server.requests.at(-1)).toBe(`/model.onnx bytes=${FILE.length}-`);
    expectDownloaded(FILE);
  });

  test('that is longer than the file is thrown away', async () => {
    await writePart(new Uint8Array(FILE.length + 10));
    await fetchModel();
    expectDownloaded(FILE);
  });

  test('is not trusted where no sum would find it out', async () => {
    await writePart(new Uint8Array(1000));
    await fetchModel({ sha256: undefined });
    expect(server.requests.at(-1)).toBe('/model.onnx all');
    expectDownloaded(FILE);
  });
});

describe('what ends a download', () => {
  test('a wrong sum: the file is deleted', async () => {
    await expect(fetchModel({ sha256: '0'.repeat(64) })).rejects.toMatchObject({ code: 'ERR_MODEL_CHECKSUM', message: expect.stringContaining(SHA256) as string });
    expect([existsSync(path), existsSync(`${path}.part`)]).toEqual([false, false]);
  });

  test('404, at once', async () => {
    await expect(fetchModel({ url: `${server.url}/nothing?token=secret` })).rejects.toMatchObject({ code: 'ERR_DOWNLOAD_FAILED', message: `${server.url}/nothing answered HTTP 404` });
    expect(server.requests).toHaveLength(1);
  });

  test('403, with another advice', async () => {
    await expect(fetchModel({ faults: [{ status: 403 }] })).rejects.toMatchObject({ code: 'ERR_DOWNLOAD_FAILED', fix: expect.stringContaining('login') as string });
  });

  test.each([429, 500, 503])('%i only after all attempts', async (status) => {
    await fetchModel({ faults: [{ status, headers: { 'retry-after': '0' } }] });
    expect(server.requests).toHaveLength(2);
    await expect(fetchModel({ faults: [{ status }, { status }], retries: 1, url: `${server.url}/model.onnx?again` })).rejects.toMatchObject({ code: 'ERR_DOWNLOAD_FAILED', message: expect.stringContaining(`HTTP ${status}`) as string });
  });

  test('nobody there: offline, and two ways out', async () => {
    const gone = await FileServer.start();
    const { url } = gone;
    await gone.close();
    await expect(fetchModel({ url: `${url}/model.onnx` })).rejects.toMatchObject({ code: 'ERR_DOWNLOAD_OFFLINE', message: expect.stringContaining('ECONNREFUSED') as string, fix: expect.stringMatching(/LYNCEUS_MIRROR.*path/) as string });
  });

  test.skipIf(!existsSync('/dev/full'))('a full disk', async () => {
    await fetchModel({ faults: [{ cutAfter: 1 }], retries: 0 }).catch(() => undefined);
    rmSync(`${path}.part`, { force: true });
    symlinkSync('/dev/full', `${path}.part`);
    await expect(fetchModel()).rejects.toMatchObject({ code: 'ERR_DISK_FULL', fix: expect.stringContaining('LYNCEUS_HOME') as string });
  });

  test('a folder that may not be written to', async () => {
    writeFileSync(join(folder, 'deep'), 'a file in the way');
    await expect(fetchModel()).rejects.toMatchObject({ code: 'ERR_OUTPUT_WRITE' });
  });
});

test('an address is shown without user, password and query', () => {
  expect(publicUrl('https://user:pw@host:8443/a/b.onnx?token=1#x')).toBe('https://host:8443/a/b.onnx');
});
