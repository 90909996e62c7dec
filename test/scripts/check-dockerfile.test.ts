import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SCRIPT = join(ROOT, 'scripts/check-dockerfile.mjs');
let context: string;

/** A repository in miniature: what the Dockerfile copies, and what it mustn't. */
beforeAll(async () => {
  context = await mkdtemp(join(tmpdir(), 'lynceus-dockerfile-test-'));
  for (const file of ['Dockerfile', '.dockerignore', 'package.json', 'package-lock.json', '.npmrc', 'tsconfig.json', 'tsconfig.build.json', 'LICENSE', 'scripts/copy-assets.mjs'])
    await cp(join(ROOT, file), join(context, file));
  for (const folder of ['src', 'models', 'streams']) {
    await mkdir(join(context, folder));
    await writeFile(join(context, folder, 'file.yaml'), 'url: rtsp://user:password@camera/stream\n');
  }
});
afterAll(() => rm(context, { recursive: true, force: true }));

function lint(...options: string[]): Promise<{ status: number; output: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [SCRIPT, '--lint', ...options], (_error, stdout) => resolve({ status: child.exitCode ?? -1, output: stdout }));
  });
}

async function lintChanged(from: string | RegExp, to: string): Promise<{ status: number; output: string }> {
  const original = await readFile(join(context, 'Dockerfile'), 'utf8');
  const changed = original.replace(from, to);
  expect(changed).not.toBe(original);
  const file = join(context, `Dockerfile.${crypto.randomUUID()}`);
  await writeFile(file, changed);
  return lint('--context', context, '--file', file);
}

test('our Dockerfile keeps its promises, and the check says how much it looked at', async () => {
  const { status, output } = await lint();
  expect(output).toMatch(/^2 stages, [1-9]\d+ instructions, [1-9]\d+ rules, 0 breaches$/m);
  expect(status).toBe(0);
});

describe.concurrent('a Dockerfile is refused where', () => {
  test.each([
    ['a base image has no version', 'FROM node:20.20.2-bookworm-slim AS', 'FROM node:20-bookworm-slim AS', /node:20-bookworm-slim may change under us/],
    ['a base image is the latest', /FROM node\S+ AS/, 'FROM node:latest AS', /node:latest may change under us/],
    ['stages have different bases', /FROM node\S+$/m, 'FROM node:20.20.2-bullseye-slim', /another base than they run on/],
    ['Node is too old', /node:20\.20\.2/g, 'node:18.20.4', /Node 18 is older than 20/],
    ['nobody gives up root', 'USER 1000:1000', '', /the last stage has no USER/],
    ['the user is root', 'USER 1000:1000', 'USER 0:0', /USER 0:0 is root/],
    ['something is installed as the user', 'EXPOSE 7272', 'EXPOSE 7272\nRUN true', /RUN after USER/],
    ['there is no health check', /HEALTHCHECK[^]*?(?=ENTRYPOINT)/, '', /the last stage has no HEALTHCHECK/],
    ['the health check is switched off', /HEALTHCHECK[^]*?(?=ENTRYPOINT)/, 'HEALTHCHECK NONE\n', /the last stage has no HEALTHCHECK/],
    ['the health check asks a port that is not exposed', 'EXPOSE 7272', 'EXPOSE 8080', /expected :PORT\/healthz of an exposed port \(8080\)/],
    ['a shell keeps the signals', 'CMD ["run", "demo", "--host", "0.0.0.0"]', 'CMD run demo', /CMD runs in a shell/],
    ['there is no entry point', /ENTRYPOINT.*\n/, '', /the last stage has no ENTRYPOINT/],
    ['the entry point is another file', 'dist/cli/main.js"]', 'dist/index.js"]', /expected one of dist\/cli\/main.js/],
    ['a variable is named like a secret', 'ENV NODE_ENV=production', 'ENV NODE_ENV=production LYNCEUS_TOKEN=abc', /LYNCEUS_TOKEN would stay in the image/],
    ['an argument is named like a secret', 'WORKDIR /data', 'ARG NPM_PASSWORD\nWORKDIR /data', /NPM_PASSWORD would stay/],
    ['an address holds a password', 'EXPOSE 7272', 'LABEL camera=rtsp://admin:hunter2@camera/\nEXPOSE 7272', /LABEL holds what looks like a secret/],
    ['a file is copied that does not exist', 'COPY src src', 'COPY src sources src', /sources does not exist/],
    ['a file is copied that is ignored', 'COPY src src', 'COPY src Dockerfile src', /Dockerfile is ignored by \.dockerignore/],
    ['a stage is named that comes later, or never', 'COPY --from=build /app/dist', 'COPY --from=builder /app/dist', /no stage before it is called builder/],
    ['something is added', 'COPY src src', 'ADD src src', /use COPY/],
    ['lists of packages are left', '&& rm -rf /var/lib/apt/lists/*', '', /expected rm -rf \/var\/lib\/apt\/lists/],
    ['recommended packages come along', '--no-install-recommends', '', /expected --no-install-recommends/],
    ['npm takes what it finds', 'npm ci', 'npm install', /expected npm ci/],
    ['npm runs scripts of strangers', 'npm ci --ignore-scripts', 'npm ci', /expected --ignore-scripts/],
    ['development dependencies are kept', /npm prune[^\n]*/, 'true \\', /expected npm prune --omit=dev/],
    ['an instruction is misspelt', 'WORKDIR /data', 'WORKDIRR /data', /line \d+: unknown instruction WORKDIRR/],
    ['an array is broken', 'CMD ["run",', 'CMD ["run"', /line \d+: expected a JSON array/],
    ['it ends in the middle of a line', /CMD \["run".*\n/, 'CMD ["run"] \\', /the file ends within this instruction/],
    ['it is empty', /[^]*/, '', /failed|0 instructions/],
  ])('%s', async (_, from, to, expected) => {
    const { status, output } = await lintChanged(from, to);
    expect(output).toMatch(expected);
    expect(status).toBe(1);
  });
});

describe('a context is refused where', () => {
  test.each([
    ['a copied file holds a token', 'streams/leak.yaml', `token: npm_${'a1'.repeat(18)}\n`, /streams\/leak\.yaml holds what looks like a secret/],
    ['a copied file is an .env', 'src/.env', 'A=1\n', /src\/\.env holds/],
    ['the repository and what is built would be sent', '.dockerignore', '', /lets \.git\/config through[^]*lets node_modules/],
  ])('%s', async (_, path, content, expected) => {
    const file = join(context, path);
    const before = await readFile(file, 'utf8').catch(() => undefined);
    await writeFile(file, content);
    const { status, output } = await lint('--context', context);
    expect(output).toMatch(expected);
    expect(status).toBe(1);
    await (before === undefined ? rm(file) : writeFile(file, before));
  });
});
