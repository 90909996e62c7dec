import { expect, test } from 'vitest';
import { startCli } from '../fixtures/cli.js';
import { tempFolder } from '../fixtures/temp-folder.js';

test.each([[['--help']], [['models', 'list']], [['schema', 'manifest']]])('%j ends quietly where whoever reads has seen enough', async (args) => {
  const running = startCli(args, tempFolder());
  running.child.stdout?.destroy();

  const { status, stderr } = await running.finished;

  expect(stderr).not.toContain('EPIPE');
  expect(status).toBe(0);
});
