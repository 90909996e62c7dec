// What our Dockerfile promises, each as a rule that can fail. A rule gives `[line, message]` for each breach.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { contextFiles, contextFilter } from './context.mjs';
import { parseCopy, parsePairs } from './parse.mjs';

const SECRET_NAME = /pass(word|wd)?|secret|token|api_?key|credential|private_?key/i;
const SECRET_TEXT = /-----BEGIN [A-Z ]*PRIVATE KEY|_auth(Token)?\s*=|npm_[A-Za-z0-9]{30,}|gh[pousr]_[A-Za-z0-9]{30,}|AKIA[0-9A-Z]{16}|:\/\/[^/\s:@]+:[^/\s@]+@/;

/** @type {Record<string, (facts: object) => [number, string][]>} */
export const RULES = {
  'base images are pinned to a version': ({ stages }) =>
    stages
      .filter(({ base }) => !stages.some(({ name }) => name === base))
      .filter(({ base }) => !/:\d+\.\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?$/.test(base))
      .map(({ base, line }) => [line, `${base} may change under us: name version, minor and patch`]),

  'all stages share one base image': ({ stages }) =>
    new Set(stages.map(({ base }) => base)).size > 1 ? [[stages.at(-1).line, 'native modules are built against another base than they run on']] : [],

  'the program runs without root': ({ last }) => {
    const user = last.instructions.filter(({ name }) => name === 'USER').at(-1);
    if (!user) return [[last.line, 'the last stage has no USER']];
    return /^(root|0)(:|$)/.test(user.text) ? [[user.line, `USER ${user.text} is root`]] : [];
  },

  'nothing is installed after root is given up': ({ last }) => {
    const at = last.instructions.findIndex(({ name }) => name === 'USER');
    return last.instructions.slice(at < 0 ? Infinity : at).filter(({ name }) => ['RUN', 'COPY', 'ADD'].includes(name)).map(({ name, line }) => [line, `${name} after USER: the program could change its own files`]);
  },

  'there is a health check, and it asks an exposed port': ({ last }) => {
    const check = last.instructions.filter(({ name }) => name === 'HEALTHCHECK').at(-1);
    if (!check || /^NONE\b/i.test(check.text)) return [[check?.line ?? last.line, 'the last stage has no HEALTHCHECK']];
    const ports = last.instructions.filter(({ name }) => name === 'EXPOSE').flatMap(({ text }) => text.split(/\s+/).map((port) => port.split('/')[0]));
    return ports.some((port) => check.text.includes(`:${port}/healthz`)) ? [] : [[check.line, `expected :PORT/healthz of an exposed port (${ports.join(', ') || 'none'})`]];
  },

  'entry point and command get signals': ({ last }) =>
    ['ENTRYPOINT', 'CMD'].flatMap((wanted) => {
      const found = last.instructions.filter(({ name }) => name === wanted).at(-1);
      if (!found) return [[last.line, `the last stage has no ${wanted}`]];
      return found.json ? [] : [[found.line, `${wanted} runs in a shell, which keeps signals for itself: write it as an array`]];
    }),

  'the entry point is the command of package.json': ({ last, packageJson }) => {
    const entry = last.instructions.filter(({ name }) => name === 'ENTRYPOINT').at(-1);
    const commands = Object.values(packageJson.bin ?? {});
    return entry && !commands.some((path) => entry.text.includes(path)) ? [[entry.line, `expected one of ${commands.join(', ')}`]] : [];
  },

  'no secrets': ({ instructions }) =>
    instructions.flatMap((instruction) => {
      const { name, text, line } = instruction;
      const names = ['ENV', 'ARG'].includes(name) ? [...parsePairs(text).map(([key]) => key), text.split(/[\s=]/)[0]] : [];
      const byName = [...new Set(names)].filter((key) => SECRET_NAME.test(key)).map((key) => [line, `${name} ${key} would stay in the image`]);
      return SECRET_TEXT.test(text) ? [...byName, [line, `${name} holds what looks like a secret`]] : byName;
    }),

  'no secrets in what is copied': ({ copies, context, isSent }) =>
    copies.flatMap(({ line, sources }) =>
      sources
        .flatMap((source) => contextFiles(context, source, isSent))
        .filter((file) => /(^|\/)(\.npmrc|\.env[\w.]*|[^/]*\.(pem|key|json|ya?ml|sh))$/.test(file))
        .filter((file) => /(^|\/)\.env/.test(file) || SECRET_TEXT.test(readFileSync(join(context, file), 'utf8').replace(/\$\{[^}]*\}|user:pass(word)?@/g, '')))
        .map((file) => [line, `${file} holds what looks like a secret`]),
    ),

  'what is copied exists and is not ignored': ({ copies, context, isSent }) =>
    copies.flatMap(({ line, sources }) => {
      const missing = sources.filter((source) => contextFiles(context, source, isSent).length === 0);
      return missing.map((source) => [line, `${source} ${existsSync(join(context, source)) ? 'is ignored by .dockerignore, or empty' : 'does not exist'}`]);
    }),

  'what is copied from a stage names an earlier one': ({ stages }) =>
    stages.flatMap(({ instructions }, index) =>
      instructions
        .filter(({ flags }) => flags.from !== undefined && !stages.slice(0, index).some(({ name }) => name === flags.from))
        .map(({ line, flags }) => [line, `no stage before it is called ${flags.from}`]),
    ),

  'COPY, not ADD': ({ instructions }) => instructions.filter(({ name }) => name === 'ADD').map(({ line }) => [line, 'ADD unpacks and downloads: use COPY']),

  'Debian packages leave no lists and bring no recommendations': ({ instructions }) =>
    runsWith(instructions, /apt-get install/).flatMap(({ line, text }) =>
      [
        [/apt-get update/, 'apt-get update in the same RUN'],
        [/apt-get install [^&]*-y/, '-y'],
        [/--no-install-recommends/, '--no-install-recommends'],
        [/rm -rf \/var\/lib\/apt\/lists/, 'rm -rf /var/lib/apt/lists/* in the same RUN'],
      ]
        .filter(([wanted]) => !wanted.test(text))
        .map(([, message]) => [line, `expected ${message}`]),
    ),

  'npm installs what the lock file says, and no scripts of strangers': ({ instructions }) =>
    runsWith(instructions, /\bnpm (ci|install|i|prune)\b/).flatMap(({ line, text }) => [
      ...(/\bnpm (install|i)\b/.test(text) ? [[line, 'expected npm ci']] : []),
      ...(text.includes('--ignore-scripts') ? [] : [[line, 'expected --ignore-scripts']]),
    ]),

  'development dependencies stay behind': ({ instructions }) =>
    runsWith(instructions, /npm (prune|ci) [^&]*--omit[= ]dev/).length > 0 ? [] : [[1, 'expected npm prune --omit=dev or npm ci --omit=dev']],

  'the context holds neither repository nor what is built': ({ isSent }) =>
    ['.git/config', 'node_modules/x/index.js', 'dist/cli/main.js', '.env', 'test/x.test.ts'].filter((path) => isSent(path)).map((path) => [1, `.dockerignore lets ${path} through`]),

  'the version of Node is one that package.json allows': ({ stages, packageJson }) => {
    const minimum = Number(/\d+/.exec(packageJson.engines?.node ?? '0')?.[0]);
    return stages.map(({ base, line }) => [line, Number(/^node:(\d+)/.exec(base)?.[1])]).filter(([, major]) => major < minimum).map(([line, major]) => [line, `Node ${major} is older than ${minimum}`]);
  },
};

function runsWith(instructions, pattern) {
  return instructions.filter(({ name, text }) => name === 'RUN' && pattern.test(text));
}

/** Applies all rules. @returns {{ rule: string, line: number, message: string }[]} */
export function lint({ stages, instructions }, context) {
  const copies = instructions.filter(({ name, flags }) => name === 'COPY' && flags.from === undefined).map((copy) => ({ line: copy.line, ...parseCopy(copy) }));
  const packageJson = JSON.parse(readFileSync(join(context, 'package.json'), 'utf8'));
  const facts = { stages, instructions, last: stages.at(-1), copies, context, isSent: contextFilter(context), packageJson };
  return Object.entries(RULES).flatMap(([rule, check]) => check(facts).map(([line, message]) => ({ rule, line, message })));
}
