import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

/** Of the protocol, the one file that is served beside the client. */
const SHARED = '../protocol/octree-cells.js';

test('the built client loads nothing but its own files and one that imports nothing, so that a browser can take it as it is', () => {
  const files = readdirSync('dist/client').filter((name) => name.endsWith('.js'));
  expect(files).toContain('index.js');
  for (const file of files) {
    const source = readFileSync(`dist/client/${file}`, 'utf8');
    const imported = [...source.matchAll(/^(?:import|export)\b.*?from '([^']+)'/gm)].map(([, path]) => path!);
    for (const path of imported) expect([...files.map((name) => `./${name}`), SHARED], `${file} imports ${path}`).toContain(path);
    // `ws` is only asked for where the platform has no WebSocket: Node 20.
    const dynamic = [...source.matchAll(/import\('([^']+)'\)/g)].map(([, path]) => path!);
    expect(dynamic).toEqual(file === 'socket.js' ? ['ws'] : []);
  }
  const bytes = files.reduce((sum, file) => sum + readFileSync(`dist/client/${file}`).length, 0);
  expect(readFileSync(`dist/client/${SHARED}`, 'utf8')).not.toMatch(/^import|^export .* from|import\(/m);
  expect(bytes).toBeLessThan(32 * 1024);
});
