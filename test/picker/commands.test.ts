import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { LatencyBench } from '../../src/picker/latency-bench.js';
import { runRounds } from '../../src/picker/run-rounds.js';
import { runCli, tinyModelFolder } from '../fixtures/cli.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { tinyDetector, writeModel } from '../fixtures/tiny-onnx.js';

const folder = tempFolder();
const home = join(folder, 'home');
const data = join(folder, 'data');
const stream = join(folder, 'door.yaml');

/** Pictures in which the tiny detector finds its cat where the truth has one: at its own size, and nowhere else. */
async function makeDataset(): Promise<void> {
  mkdirSync(join(data, 'images'), { recursive: true });
  const images = [1, 2, 3, 4].map((id) => ({ id, file_name: `${id}.png`, width: 32, height: 32 }));
  for (const { id, file_name: name } of images) {
    await sharp({ create: { width: 32, height: 32, channels: 3, background: { r: 0, g: 180 + 10 * id, b: 0 } } }).png().toFile(join(data, 'images', name));
  }
  const annotations = images.map(({ id }) => ({ id, image_id: id, category_id: 7, bbox: [8, 8, 16, 16], area: 256, iscrowd: 0 }));
  writeFileSync(join(data, 'instances.json'), JSON.stringify({ images, annotations, categories: [{ id: 7, name: 'cat' }] }));
}

interface Json {
  readonly [key: string]: unknown;
}

const cli = async (...args: readonly string[]): Promise<Json> => {
  const { status, stdout, stderr } = await runCli([...args, '--json'], home);
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Json;
};

beforeAll(async () => {
  await makeDataset();
  writeFileSync(stream, '# mine\nname: door\nsource: { kind: file, path: a.mp4 }\nstages:\n  - id: detect # the one\n    kind: detector.yolo\n');
  await cli('models', 'add', tinyModelFolder(folder));
}, 30_000);

describe('a user who wants the best model for 10 ms', () => {
  it('is told to measure first', async () => {
    const { status, stderr } = await runCli(['models', 'pick', '--budget', '10ms'], home);
    expect(status).toBe(2);
    expect(stderr).toContain('ERR_USAGE');
    expect(stderr).toContain('lynceus models bench --data');
  });

  it('measures: own size and a larger one, figures and a report', async () => {
    const result = await cli('models', 'bench', 'tiny-rows', '--data', data, '--sizes', '32,64', '--threads', '1', '--runs', '20');
    const candidates = result['candidates'] as Json[];
    expect(candidates.map(({ model, width, isOwnSize, threads }) => [model, width, isOwnSize, threads])).toEqual(expect.arrayContaining([['tiny-rows', 32, true, 1], ['tiny-rows', 64, false, 1]]));
    const [own, larger] = [32, 64].map((width) => candidates.find((one) => one['width'] === width)!);
    expect(own).toMatchObject({ accuracy: { map50: 1, pictures: 4 }, latency: { n: 20 }, isOnFront: true, precision: 'fp32', parameters: 36 });
    expect(larger).toMatchObject({ accuracy: { map50: 0 } });
    expect(Number(own!['sessionRssBytes'])).toBeGreaterThan(0);
    expect(readFileSync(String(result['report']), 'utf8')).toContain('tiny-rows');
  });

  it('goes on where it was: nothing is measured twice', async () => {
    const before = await cli('models', 'bench', 'tiny-rows', '--data', data, '--sizes', '32,64', '--threads', '1', '--runs', '20');
    const more = await cli('models', 'bench', 'tiny-rows', '--data', data, '--sizes', '32,64', '--threads', '1', '--runs', '25');
    const counts = ({ candidates }: Json) => (candidates as { latency: { n: number }; measuredAt: string[] }[]).map(({ latency, measuredAt }) => [latency.n, measuredAt.length]);
    expect(counts(before)).toEqual([[20, 1], [20, 1]]);
    expect(counts(more)).toEqual([[25, 2], [25, 2]]);
  });

  it('writes a page of its own where one is asked for: of the named models and this data alone', async () => {
    const page = join(home, 'own.html');
    const other = join(home, 'other-data');
    cpSync(data, other, { recursive: true });
    await cli('models', 'bench', 'tiny-rows', '--data', other, '--sizes', '64', '--threads', '1', '--runs', '10', '--report', page);
    const text = readFileSync(page, 'utf8');
    expect(text).toContain('other-data');
    expect(text).toContain('64x64');
    expect(text).not.toContain('32x32');
  });

  it('picks, and the stream says so with its comments', async () => {
    const result = await cli('models', 'pick', '--budget', '2fps', '--stream', stream, '--check');
    expect(result).toMatchObject({ id: 'tiny-rows', budgetMs: 500, judgedBy: 'p50', margin: 0.2, limitMs: 400, check: { n: 100 } });
    expect(readFileSync(stream, 'utf8')).toBe('# mine\nname: door\nsource: { kind: file, path: a.mp4 }\nstages:\n  - id: detect # the one\n    kind: detector.yolo\n    options:\n      model: tiny-rows\n      mode: latency\n      cores: 1\n');
    expect((await runCli(['graph', stream], home)).stderr).not.toContain('ERR_CONFIG');
  });

  it('writes nothing with --dry-run', async () => {
    const before = readFileSync(stream, 'utf8');
    await cli('models', 'pick', '--budget', '500ms', '--stream', stream, '--dry-run', '--threads', '1');
    expect(readFileSync(stream, 'utf8')).toBe(before);
  });

  it('leaves everything as it was where the stream is none', async () => {
    const broken = join(folder, 'broken.yaml');
    writeFileSync(broken, 'name: a\n');
    const { status, stderr } = await runCli(['models', 'pick', '--budget', '500ms', '--stream', broken], home);
    expect(status).toBe(2);
    expect(stderr).toContain('ERR_CONFIG_INVALID');
    expect(readFileSync(broken, 'utf8')).toBe('name: a\n');
  });
});

describe('where another size is the choice', () => {
  const elsewhere = join(folder, 'elsewhere');
  it('it becomes a model of its own, made from its parent, once', async () => {
    const run = (...args: readonly string[]) => runCli(args, elsewhere);
    await run('models', 'add', join(folder, 'tiny-rows'));
    const parentFolder = join(elsewhere, 'models', 'tiny-rows');
    const parent = readFileSync(join(parentFolder, 'model.onnx'));
    await run('models', 'bench', 'tiny-rows', '--data', data, '--sizes', '64x96', '--threads', '1', '--runs', '10');
    for (const _ of ['made', 'found again']) {
      const { status, stderr } = await run('models', 'pick', '--budget', '500ms');
      expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.stringContaining('tiny-rows-64x96') as string });
    }
    const made = join(elsewhere, 'models', 'tiny-rows-64x96');
    const manifest = JSON.parse(readFileSync(join(made, 'manifest.json'), 'utf8')) as Json;
    expect(manifest).toMatchObject({ input: { width: 64, height: 96 }, lineage: { parent: 'tiny-rows', operations: [{ kind: 'resize-input', from: { width: 32, height: 32 }, to: { width: 64, height: 96 } }] } });
    expect(existsSync(join(made, 'report.html'))).toBe(true);
    expect(readFileSync(join(parentFolder, 'model.onnx'))).toEqual(parent);
  });
});

describe('runRounds', () => {
  const modelPath = writeModel(folder, 'tiny.onnx', tinyDetector().prepared);

  it('takes configurations in turns, there and back, until each has enough', async () => {
    const order: string[] = [];
    await runRounds([{ modelPath, threads: 1, runs: 5 }, { modelPath, threads: 1, runs: 4 }], { burst: 2, onSamples: (index, samples) => void order.push(`${'AB'[index]!}${samples.length}`) });
    expect(order).toEqual(['A2', 'B2', 'B2', 'A2', 'A1']);
  });

  it('stops between bursts where it is told to', async () => {
    let bursts = 0;
    await runRounds([{ modelPath, threads: 1, runs: 1000 }], { burst: 1, onSamples: () => void (bursts += 1), isCancelled: () => bursts === 3 });
    expect(bursts).toBe(3);
  });

  it('says which model cannot be loaded', async () => {
    const broken = writeModel(folder, 'broken.onnx', Uint8Array.of(1, 2, 3));
    const bench = new LatencyBench();
    await expect(bench.load(broken, 1)).rejects.toMatchObject({ code: 'ERR_MODEL_CORRUPT', message: expect.stringContaining('broken.onnx') as string });
    await bench.close();
  });
});
