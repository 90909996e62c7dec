import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { REPOSITORY, repositoryFiles } from '../fixtures/repository.js';
import { tempFolder } from '../fixtures/temp-folder.js';

interface CruiseResult {
  readonly summary: {
    readonly totalCruised: number;
    readonly violations: readonly { readonly from: string; readonly to: string; readonly rule: { readonly name: string } }[];
  };
}

const CONFIG = '.dependency-cruiser.cjs';
/** Some seconds of work, more on a busy machine. */
const CRUISE_TIMEOUT_MS = 120_000;
const { forbidden } = createRequire(import.meta.url)(`${REPOSITORY}${CONFIG}`) as { forbidden: readonly { readonly name: string }[] };

async function cruise(folder: string): Promise<CruiseResult['summary']> {
  const binary = `${REPOSITORY}node_modules/dependency-cruiser/bin/dependency-cruise.mjs`;
  const options = { cwd: folder, maxBuffer: 2 ** 28 };
  // It ends with the number of violations as its status; what it found is on standard output all the same.
  const { stdout } = await promisify(execFile)(process.execPath, [binary, '--config', CONFIG, '--output-type', 'json', 'src'], options).catch((error: unknown) => error as { stdout: string });
  return (JSON.parse(stdout) as CruiseResult).summary;
}

test('dependencies point one way', async () => {
  const { totalCruised, violations } = await cruise(REPOSITORY);
  const files = repositoryFiles('src', '.ts').length;
  console.log(`${totalCruised} modules looked at, ${files} of them in src`);
  expect(files).toBeGreaterThan(0);
  // Libraries are modules, too.
  expect(totalCruised).toBeGreaterThan(files);
  expect(violations.map(({ from, to, rule }) => `${rule.name}: ${from} -> ${to}`)).toEqual([]);
}, CRUISE_TIMEOUT_MS);

describe('a violation is found', () => {
  /** One for each rule: the rule, who breaks it, and what it imports. */
  const PLANTS: readonly (readonly [rule: string, file: string, imports: string])[] = [
    ['no-circular', 'core/chicken.ts', './egg.js'],
    ['no-upward-from-core', 'core/frame.ts', '../timing/clock.js'],
    ['no-upward-from-timing-config-protocol-onnx', 'timing/clock.ts', '../inference/session.js'],
    ['no-upward-from-inference', 'inference/session.ts', '../detector/nms.js'],
    ['no-upward-from-detector', 'detector/nms.ts', '../graph/run.js'],
    ['no-upward-from-guard-tracking-occupancy', 'guard/region.ts', '../graph/run.js'],
    ['no-upward-from-redundancy', 'redundancy/move.ts', '../graph/run.js'],
    ['no-upward-from-governor', 'governor/ladder.ts', '../graph/run.js'],
    ['no-upward-from-sources-graph', 'graph/run.ts', '../server/ws.js'],
    ['no-upward-from-server-sinks-evaluation-model-store-client-report', 'sinks/file.ts', '../cli/main.js'],
    ['no-upward-from-compression-picker-attack-study-stereo-scenes', 'compression/prune.ts', '../cli/main.js'],
    ['onnx-surgery-is-offline', 'detector/decode.ts', '../onnx/builder.js'],
    ['client-knows-the-protocol-only', 'client/index.ts', '../server/ws.js'],
    ['rxjs-only-at-the-edges', 'detector/stream.ts', 'rxjs'],
    ['onnxruntime-only-in-inference', 'detector/run.ts', 'onnxruntime-node'],
    ['ffmpeg-only-in-sources', 'graph/decode.ts', 'fluent-ffmpeg'],
    ['ws-only-in-server-and-client', 'graph/send.ts', 'ws'],
    ['plots-only-in-report', 'cli/plot.ts', '@observablehq/plot'],
    ['child-process-only-in-sources', 'graph/spawn.ts', 'node:child_process'],
    ...['timing', 'config', 'protocol', 'onnx'].map((room, i, rooms) => sideways(room, rooms[(i + 1) % rooms.length]!)),
    ...['guard', 'tracking', 'occupancy'].map((room, i, rooms) => sideways(room, rooms[(i + 1) % rooms.length]!)),
    ...['sources', 'graph'].map((room, i, rooms) => sideways(room, rooms[(i + 1) % rooms.length]!)),
    ...['server', 'sinks', 'evaluation', 'model-store', 'client', 'report'].map((room, i, rooms) => sideways(room, rooms[(i + 1) % rooms.length]!)),
    ...['compression', 'picker', 'attack', 'study', 'stereo-scenes'].map((room, i, rooms) => sideways(room, rooms[(i + 1) % rooms.length]!)),
  ];

  function sideways(room: string, neighbour: string) {
    return [`no-sideways-from-${room}`, `${room}/to-${neighbour}.ts`, `../${neighbour}/to-be-imported.js`] as const;
  }

  test('for every rule of the configuration', async () => {
    const folder = tempFolderWithProject();
    // The other half of the circle, which is reported once.
    plant(folder, 'core/egg.ts', "export * from './chicken.js';\n");
    for (const [, file, imports] of PLANTS) plant(folder, file, `export * from '${imports}';\n`);
    // What is imported has to be there, or it's an unresolvable import and no violation.
    for (const [, file, imports] of PLANTS) if (imports.startsWith('.')) plantTarget(folder, file, imports);
    const { violations } = await cruise(folder);
    const found = new Set(violations.map(({ rule, from }) => `${rule.name}: ${from}`));
    expect(PLANTS.filter(([rule, file]) => !found.has(`${rule}: src/${file}`))).toEqual([]);
    expect(new Set(PLANTS.map(([rule]) => rule))).toEqual(new Set(forbidden.map(({ name }) => name)));
  }, CRUISE_TIMEOUT_MS);

  function plant(folder: string, file: string, text: string): void {
    const path = join(folder, 'src', file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }

  function plantTarget(folder: string, file: string, imports: string): void {
    const target = join(dirname(file), imports).replace(/\.js$/, '.ts');
    if (!existsSync(join(folder, 'src', target))) plant(folder, target, 'export {};\n');
  }
});

const folder = tempFolder();

/** Configuration and libraries of the project, without its sources. */
function tempFolderWithProject(): string {
  for (const file of [CONFIG, 'tsconfig.json', 'package.json']) cpSync(`${REPOSITORY}${file}`, join(folder, file));
  symlinkSync(`${REPOSITORY}node_modules`, join(folder, 'node_modules'));
  return folder;
}
