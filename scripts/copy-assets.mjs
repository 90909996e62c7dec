// What tsc doesn't copy: the viewer's page and its vendored chart library.
import { cpSync, existsSync, mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const source = `${root}src/server/viewer`;
const target = `${root}dist/server/viewer`;
mkdirSync(target, { recursive: true });
cpSync(source, target, { recursive: true, filter: (path) => !path.endsWith('.ts') });
for (const file of ['uPlot.esm.js', 'uPlot.min.css']) {
  const from = `${root}node_modules/uplot/dist/${file}`;
  if (existsSync(from)) cpSync(from, `${target}/${file}`);
}
