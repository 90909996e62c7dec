import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { frameMessage, type FrameMessage, type ServerMessage } from '../../src/protocol/messages.js';
import { parseNdjson, runCli, startCli, tinyModelFolder } from '../fixtures/cli.js';
import { makeClip } from '../fixtures/index.js';
import { tempFolder } from '../fixtures/temp-folder.js';

const home = tempFolder();
const model = tinyModelFolder(home);

/** The ledger's promise: its spans sum to the measured latency within 1 % or 0.2 ms. */
function expectBalanced({ timings, end_to_end_ms: endToEndMs }: FrameMessage): void {
  const sum = timings.reduce((total, { queue_ms, service_ms }) => total + queue_ms + service_ms, 0);
  expect(Math.abs(sum - endToEndMs)).toBeLessThanOrEqual(Math.max(0.2, endToEndMs * 0.01));
}

describe('a video file', () => {
  test('every frame becomes one valid message, in order, with a ledger that balances', async () => {
    const clip = await makeClip({ frames: 60 });
    const out = join(home, 'results.ndjson');
    const { status, stdout } = await runCli(['run', clip, '--model', model, '--once', '--no-server', '--out', out], home);
    expect(status).toBe(0);
    expect(stdout).toMatch(/60 of 60 frames delivered/);
    const frames = parseNdjson(readFileSync(out, 'utf8')).filter(({ type }) => type === 'frame');
    const messages = frames.map((frame) => frameMessage.parse(frame));
    expect(messages.map(({ seq }) => seq)).toEqual(Array.from({ length: 60 }, (_, i) => i));
    expect(messages.map(({ time }) => time.pts_us)).toEqual(Array.from({ length: 60 }, (_, i) => i * 40_000));
    expect(messages[0]!.image).toEqual({ width: 320, height: 240 });
    expect(messages[0]!.timings.map(({ stage }) => stage)).toEqual(['source', 'detect', 'deliver']);
    expect(messages.some(({ detections }) => detections.length > 0)).toBe(true);
    messages.forEach(expectBalanced);
  });

  test('results on standard output are data alone: the summary goes to standard error', async () => {
    const { status, stdout, stderr } = await runCli(['run', await makeClip({ frames: 10 }), '--model', model, '--once', '--no-server', '--out', '-'], home);
    expect(status).toBe(0);
    expect(parseNdjson(stdout).filter(({ type }) => type === 'frame')).toHaveLength(10);
    expect(stderr).toMatch(/10 of 10 frames delivered/);
  });

  test('--breach leaves a trace of what made a frame late, with the cause in the log', async () => {
    const folder = join(home, 'breaches');
    // No frame is faster than a microsecond, but the first ones, of which nothing is usual yet, don't count.
    const { status, stderr } = await runCli(['run', await makeClip({ frames: 60 }), '--model', model, '--once', '--no-server', '--breach', '0.001ms', '--breach-dir', folder], home);
    expect(status).toBe(0);
    const [trace, ...more] = readdirSync(folder);
    expect(more).toEqual([]);
    const { otherData, traceEvents } = JSON.parse(readFileSync(join(folder, trace!), 'utf8')) as { otherData: { seq: number; threshold_ms: number }; traceEvents: { name: string }[] };
    expect(otherData.threshold_ms).toBe(0.001);
    expect(traceEvents.map(({ name }) => name)).toContain(`frame ${otherData.seq}`);
    expect(stderr).toMatch(/A frame took [\d.]+ ms/);
  });

  test('--trace writes a Chrome trace with a span for each stage of each frame', async () => {
    const trace = join(home, 'trace.json');
    expect((await runCli(['run', await makeClip({ frames: 10 }), '--model', model, '--once', '--no-server', '--trace', trace], home)).status).toBe(0);
    const { traceEvents } = JSON.parse(readFileSync(trace, 'utf8')) as { traceEvents: { ph: string; name: string; args?: { seq?: number } }[] };
    const detected = traceEvents.filter(({ ph, name }) => ph === 'X' && name === 'detect').map(({ args }) => args?.seq);
    expect(detected).toEqual(Array.from({ length: 10 }, (_, i) => i));
    for (const part of ['infer', 'decode', 'nms']) expect(traceEvents.filter(({ name }) => name === part)).toHaveLength(10);
  });

  test('--json prints the statistics, percentiles withheld where the samples are too few', async () => {
    const { stdout } = await runCli(['run', await makeClip({ frames: 10 }), '--model', model, '--once', '--no-server', '--json'], home);
    const { streams } = JSON.parse(stdout) as { streams: { delivered: number; end_to_end: { n: number; p50_ms: number | null; p99_ms: number | null } }[] };
    expect(streams[0]).toMatchObject({ delivered: 10, end_to_end: { n: 10, p99_ms: null } });
    expect(streams[0]!.end_to_end.p50_ms).toBeGreaterThan(0);
  });
});

describe('a running stream', () => {
  test('a WebSocket subscriber gets its frames, and SIGTERM drains, says goodbye and ends with status 0', async () => {
    const cli = startCli(['run', await makeClip({ frames: 50 }), '--model', model, '--realtime', '--loop', '--port', '0'], home);
    const [, url] = await cli.said(/websocket\s+(ws:\S+)/);
    const socket = new WebSocket(url!, ['lynceus.v1.json']);
    const messages: ServerMessage[] = [];
    const tenFrames = new Promise<void>((resolve, reject) => {
      socket.on('error', reject);
      socket.on('message', (data: Buffer) => {
        const message = JSON.parse(data.toString()) as ServerMessage;
        messages.push(message);
        if (message.type === 'hello') socket.send(JSON.stringify({ type: 'subscribe', streams: ['*'], policy: 'all' }));
        if (messages.filter(({ type }) => type === 'frame').length === 10) resolve();
      });
    });
    const closed = new Promise<number>((resolve) => socket.on('close', resolve));
    await tenFrames;
    cli.child.kill('SIGTERM');
    expect(await closed).toBe(1001);
    expect((await cli.finished).status).toBe(0);
    expect(messages[0]!.type).toBe('hello');
    const frames = messages.filter((message) => message.type === 'frame').map((message) => frameMessage.parse(message));
    frames.forEach(expectBalanced);
    frames.slice(1).forEach(({ seq }, i) => expect(seq).toBe(frames[i]!.seq + 1));
  });

  test('SIGINT ends it with status 130 after the summary', async () => {
    const cli = startCli(['run', await makeClip({ frames: 50 }), '--model', model, '--realtime', '--loop', '--no-server'], home);
    await cli.said(/"state":"running"/);
    cli.child.kill('SIGINT');
    const { status, stdout } = await cli.finished;
    expect(status).toBe(130);
    expect(stdout).toMatch(/frames delivered/);
  });

  test('--duration ends it by itself', async () => {
    const { status } = await runCli(['run', await makeClip({ frames: 50 }), '--model', model, '--realtime', '--loop', '--no-server', '--duration', '500ms'], home);
    expect(status).toBe(0);
  });

  test('two streams run side by side and keep their names', async () => {
    const clip = await makeClip({ frames: 20 });
    const yaml = (name: string) => `name: ${name}\nsource: { kind: file, path: ${clip} }\nstages:\n  - { id: detect, kind: detector.yolo, options: { model: ${model} } }\n`;
    for (const name of ['left', 'right']) writeFileSync(join(home, `${name}.yaml`), yaml(name));
    const { status, stdout } = await runCli(['run', join(home, 'left.yaml'), join(home, 'right.yaml'), '--no-server', '--json'], home);
    expect(status).toBe(0);
    const { streams } = JSON.parse(stdout) as { streams: { stream: string; delivered: number }[] };
    expect(streams.map(({ stream, delivered }) => [stream, delivered])).toEqual([
      ['left', 20],
      ['right', 20],
    ]);
  });
});
