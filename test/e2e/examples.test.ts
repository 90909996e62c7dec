import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { LynceusServer } from '../../src/server/server.js';
import { deliver, fakeStream, startTestServer } from '../server/fixture.js';
import { streetAt, SyntheticSpace } from '../server/synthetic-space.js';

const run = promisify(execFile);
const TOKEN = 'the-right-one';
const LINE = /^yard #\d+ 10\.5 ms {2}person 0\.90 \[1,? 1,? 100,? 100\], bicycle 0\.89 \[11,? 11,? 100,? 100\]$/;
const folder = mkdtempSync(join(tmpdir(), 'lynceus-examples-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Where Python finds `websockets`: its own, or one installed for this run; undefined with the reason where there is none. */
function findPython(): { env: Record<string, string> } | { reason: string } {
  const has = (env: Record<string, string>): boolean => spawnSync('python3', ['-c', 'import websockets.asyncio.client'], { env: { ...process.env, ...env } }).status === 0;
  if (has({})) return { env: {} };
  const env = { PYTHONPATH: join(folder, 'python') };
  const installed = spawnSync('python3', ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--target', env.PYTHONPATH, 'websockets'], { timeout: 25_000 });
  if (installed.error) return { reason: 'there is no python3 here' };
  return installed.status === 0 && has(env) ? { env } : { reason: 'the Python package websockets cannot be installed here' };
}

const python = findPython();

describe('examples', () => {
  let server: LynceusServer;
  let ticker: NodeJS.Timeout;

  async function start(options = {}, space?: SyntheticSpace): Promise<void> {
    const stream = fakeStream('yard');
    let seq = 0;
    server = await startTestServer([stream], options);
    ticker = setInterval(() => deliver(server, stream, seq++, space ? { occupancy: space.report(streetAt(0)) } : {}), 20);
  }
  afterEach(async () => {
    clearInterval(ticker);
    await server.close();
  });

  const lines = (text: string): string[] => text.trim().split('\n');

  test.each([['without a token', {}], ['with one', { token: TOKEN }]])('node.mjs prints what it gets, %s', async (_, options) => {
    await start(options);
    const { stdout, stderr } = await run('node', ['examples/node.mjs', server.wsUrl], { env: { ...process.env, FRAMES: '3', LYNCEUS_TOKEN: TOKEN } });
    expect(lines(stdout)).toHaveLength(3);
    for (const line of lines(stdout)) expect(line).toMatch(LINE);
    expect(stderr).toContain('yard is running: frames come');
  });

  test.skipIf('reason' in python).each([['without a token', {}], ['with one', { token: TOKEN }]])(`python_client.py prints what it gets, %s${'reason' in python ? ` (skipped: ${python.reason})` : ''}`, async (_, options) => {
    await start(options);
    const env = 'env' in python ? python.env : {};
    const { stdout, stderr } = await run('python3', ['examples/python_client.py', server.wsUrl], { env: { ...process.env, ...env, FRAMES: '3', LYNCEUS_TOKEN: TOKEN } });
    expect(lines(stdout)).toHaveLength(3);
    for (const line of lines(stdout)) expect(line).toMatch(LINE);
    expect(stderr).toContain('yard is running: frames come');
  });

  test.each([['without a token', {}], ['with one', { token: TOKEN }]])('nearest_obstacle.mjs prints metres by sector, %s', async (_, options) => {
    await start(options, new SyntheticSpace());
    const { stdout } = await run('node', ['examples/nearest_obstacle.mjs', server.wsUrl], { env: { ...process.env, FRAMES: '2', LYNCEUS_TOKEN: TOKEN } });
    expect(lines(stdout)).toHaveLength(2);
    for (const line of lines(stdout)) expect(line).toMatch(/^yard #\d+ {2}-38° [\d.]+ \| .*[\d.]+ \| .* \| 38° [\d.-]+$/);
    expect(lines(stdout)[0]!.split(' | ')).toHaveLength(16);
  });

  test.each([['without a token', {}], ['with one', { token: TOKEN }]])('voxels_to_ply.mjs writes the newest cells, %s', async (_, options) => {
    await start(options, new SyntheticSpace());
    const path = join(folder, 'occupied.ply');
    const { stdout } = await run('node', ['examples/voxels_to_ply.mjs', server.wsUrl, path], { env: { ...process.env, FRAMES: '2', LYNCEUS_TOKEN: TOKEN } });
    const cells = streetAt(0).length;
    expect(lines(stdout)).toHaveLength(2);
    expect(lines(stdout)[0]).toMatch(new RegExp(`^yard #\\d+ {2}${cells} cells of 0.5 m \\(64 a side\\) -> ${path}$`));
    const ply = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(ply).toContain(`element vertex ${cells}`);
    expect(ply.length - ply.indexOf('end_header') - 1).toBe(cells);
    expect(ply.at(-1)).toMatch(/^-?[\d.]+ -?[\d.]+ [\d.]+$/);
  });

  test('node.mjs ends with the reason where the token is wrong', async () => {
    await start({ token: TOKEN });
    await expect(run('node', ['examples/node.mjs', server.wsUrl], { env: { ...process.env, LYNCEUS_TOKEN: 'wrong' } })).rejects.toMatchObject({ stderr: expect.stringContaining('ERR_AUTH_REQUIRED') as string });
  });
});
