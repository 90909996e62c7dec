import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MAIN, startCli } from '../fixtures/cli.js';
import { tempFolder } from '../fixtures/temp-folder.js';

const COMMANDS = [[['--help']], [['models', 'list']], [['schema', 'manifest']]];

test.each(COMMANDS)('%j ends quietly where whoever reads has seen enough', async (args) => {
  const running = startCli(args, tempFolder());
  running.child.stdout?.destroy();

  const { status, stderr } = await running.finished;

  expect(stderr).not.toContain('EPIPE');
  expect(status).toBe(0);
});

test('a run whose reader has left tells what it lost', async () => {
  const running = startCli(['run', 'demo', '--once', '--no-server', '--out', '-'], tempFolder());
  running.child.stdout?.destroy();

  const { stderr } = await running.finished;

  expect(stderr).toMatch(/ERR_OUTPUT_WRITE.*standard output: nobody reads it any more/s);
  expect(stderr).not.toContain('permissions');
});

test.skipIf(!existsSync('/dev/full')).each([...COMMANDS, [['run', 'demo', '--once', '--no-server', '--out', '-']]])('%j tells a full disk once, with its code', async (args) => {
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...process.env, LYNCEUS_HOME: tempFolder(), NO_COLOR: '1' }, stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'] });
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));

  const [status] = (await once(child, 'close')) as [number | null];

  expect(stderr.match(/^error .*$/gm)).toEqual(['error ERR_DISK_FULL: standard output: the disk is full']);
  expect(status).toBe(1);
});
