// What tsc doesn't copy: the viewer's page and its vendored libraries.
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
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

// The page allows no import map (inline scripts are forbidden): the library's own name becomes a path.
const three = join(dirname(createRequire(import.meta.url).resolve('three')), '..');
for (const [from, to] of [
  ['build/three.core.js', 'three.core.js'],
  ['build/three.module.js', 'three.module.js'],
  ['examples/jsm/controls/OrbitControls.js', 'OrbitControls.js'],
]) {
  writeFileSync(`${target}/${to}`, readFileSync(join(three, from), 'utf8').replace(/from 'three';/g, "from './three.module.js';"));
}
