#!/usr/bin/env node
/**
 * Delivery of results to many WebSocket clients, one of which never reads.
 *
 *   node scripts/bench-ws.mjs [--clients 200] [--rate 25] [--seconds 20] [--policy latest|all] [--json]
 *
 * The server runs in this process, the clients in another one. Delivery is from the moment a frame is handed to the server's sink
 * to the moment the client has parsed its message, on the machine's one monotonic clock.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { createConnection } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '200' },
    rate: { type: 'string', default: '25' },
    seconds: { type: 'string', default: '20' },
    policy: { type: 'string', default: 'latest' },
    json: { type: 'boolean', default: false },
  },
});
const [clients, rate, seconds] = [values.clients, values.rate, values.seconds].map(Number);
const WARMUP_FRAMES = 50;
const DETECTIONS = 10;

const SEND_BUFFER = 'lynceus_ws_send_buffer_bytes';

const scrape = async (url) => (await fetch(`${url}/metrics`)).text();
const metric = (text, name) => Number(new RegExp(`^${name.replace(/[{}"]/g, '\\$&')} (.*)$`, 'm').exec(text)?.[1] ?? 0);
const nowMs = () => Number(process.hrtime.bigint()) / 1e6;

if (process.send) await runClients();
else await runServer();

async function runServer() {
  const { default: pino } = await import('pino');
  const { FramePool } = await import('../dist/core/frame-pool.js');
  const { Frame } = await import('../dist/core/frame.js');
  const { fitImage } = await import('../dist/core/image-fit.js');
  const { startServer } = await import('../dist/server/server.js');
  const labels = Array.from({ length: 80 }, (_, i) => `class ${i}`);
  const summary = { n: 0, meanMs: 0, varianceMs2: 0, cv: 0, minMs: 0, maxMs: 0 };
  const viewOf = (name) => ({
    name, sourceKind: 'bench', location: '', model: 'none', labels,
    lastEvent: () => ({ epochMs: Date.now(), state: 'running', message: '' }),
    reconnects: () => 0,
    stats: () => ({ stream: name, fps: rate, received: 0, delivered: 0, dropped: [], endToEnd: summary, stages: [], eventLoopDelay: summary }),
    describe: () => ({ stream: name, nodes: [], edges: [] }),
  });
  const views = ['bench', 'flood'].map(viewOf);
  const server = await startServer({ port: 0, version: 'bench', logger: pino({ level: 'silent' }), streams: () => views, ready: () => ({ ready: true, reasons: [] }) });
  const child = fork(fileURLToPath(import.meta.url), [...process.argv.slice(2)], { env: { ...process.env, BENCH_URL: server.wsUrl } });
  const ready = once(child, 'message');
  const stalled = await stall(server.url);
  await ready;

  const size = { width: 64, height: 64 };
  const pool = new FramePool(2, size.width * size.height * 3);
  const sourceSize = { width: 1920, height: 1080 };
  const format = { size, fit: 'letterbox', padValue: 114 };
  const deliver = (stream, seq, detections) => {
    const frame = new Frame(
      { source: stream, sequence: seq, ptsUs: seq * 40_000, capture: { epochMs: Date.now(), clock: 'host', uncertaintyMs: 1 }, firstByteMs: 0, arrivedMs: 0, sourceSize, format, fit: fitImage(sourceSize, size, 'letterbox') },
      pool.acquire(),
    );
    const xyxy = Float32Array.from({ length: 4 * detections }, (_, i) => (i % 4 < 2 ? 100 : 700) + 500 * Math.random());
    const confidence = Float32Array.from({ length: detections }, Math.random);
    const classId = Int32Array.from({ length: detections }, (_, i) => i % labels.length);
    const timings = ['source', 'detect', 'deliver'].map((stage) => ({ stage, queuedMs: 0, startedMs: 0.4321, endedMs: 7.6543, eventLoopDelayMs: 0.1, gcMs: 0, parts: [] }));
    const beginMs = nowMs();
    server.sink.deliver({ stream, labels, result: { frame, detections: { count: detections, xyxy, confidence, classId, boxesBeforeNms: 30 } }, timings, endToEndMs: 22.9, emittedEpochMs: Date.now(), droppedSinceLast: {} });
    frame.release();
    return { beginMs, endMs: nowMs() };
  };
  // The kernel takes megabytes before it stops: only then is the client that never reads a load on the server.
  for (let seq = 0; metric(await scrape(server.url), SEND_BUFFER) < 10_000 && seq < 5000; seq++) {
    for (let i = 0; i < 10; i++) deliver('flood', 10 * seq + i, 200);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const sentAt = [];
  const deliverMs = [];
  const rss = [];
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const frames = WARMUP_FRAMES + rate * seconds;
  const cpu = process.cpuUsage();
  const beginMs = nowMs();
  for (let seq = 0; seq < frames; seq++) {
    const dueMs = beginMs + (seq * 1000) / rate;
    // Also where it is late: frames come one in a turn of the event loop.
    await new Promise((resolve) => (dueMs > nowMs() ? setTimeout(resolve, dueMs - nowMs()) : setImmediate(resolve)));
    if (seq === WARMUP_FRAMES) delay.enable();
    const { beginMs: sentMs, endMs } = deliver('bench', seq, DETECTIONS);
    sentAt[seq] = sentMs;
    deliverMs.push(endMs - sentMs);
    if (seq % rate === 0) rss.push(process.memoryUsage().rss);
  }
  const { user, system } = process.cpuUsage(cpu);
  const elapsedMs = nowMs() - beginMs;
  await new Promise((resolve) => setTimeout(resolve, 2000));
  child.send('report');
  const [arrivals] = await once(child, 'message');
  const metrics = await scrape(server.url);
  child.kill();
  stalled.destroy();
  await server.close();
  report({ arrivals, sentAt, deliverMs, rss, metrics, delay, cpuShare: (user + system) / 1e3 / elapsedMs, frames });
}

/** A client that takes the handshake, subscribes, and never reads again. */
async function stall(url) {
  const { hostname, port } = new URL(url);
  const socket = createConnection({ host: hostname, port: Number(port) });
  socket.on('error', () => undefined);
  socket.write(`GET /ws/v1 HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`);
  await once(socket, 'data');
  socket.pause();
  const payload = Buffer.from(JSON.stringify({ type: 'subscribe', streams: ['*'] }));
  socket.write(Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]));
  return socket;
}

async function runClients() {
  const { WebSocket } = await import('ws');
  const arrivals = [];
  await Promise.all(
    Array.from({ length: clients }, async (_, index) => {
      const socket = new WebSocket(process.env.BENCH_URL);
      const subscribed = new Promise((resolve) => {
        socket.on('message', (data) => {
          const message = JSON.parse(data);
          if (message.type === 'frame') arrivals.push([message.seq, nowMs()]);
          else if (message.type === 'subscribed') resolve();
        });
      });
      socket.on('close', (code) => console.error(`client ${index} was closed with ${code}`));
      await once(socket, 'open');
      socket.send(JSON.stringify({ type: 'subscribe', streams: ['bench'], policy: values.policy }));
      await subscribed;
    }),
  );
  process.send('ready');
  process.on('message', () => process.send(arrivals));
}

function report({ arrivals, sentAt, deliverMs, rss, metrics, delay, cpuShare, frames }) {
  const measured = arrivals.filter(([seq]) => seq >= WARMUP_FRAMES).map(([seq, atMs]) => atMs - sentAt[seq]).sort((a, b) => a - b);
  const sorted = deliverMs.slice(WARMUP_FRAMES).sort((a, b) => a - b);
  const quantile = (list, q) => Number(list[Math.min(list.length - 1, Math.floor(q * list.length))].toFixed(2));
  const mebibytes = (bytes) => Number((bytes / 2 ** 20).toFixed(1));
  const result = {
    clients, stalled: 1, rate, seconds, policy: values.policy,
    delivery_ms: { n: measured.length, expected: clients * (frames - WARMUP_FRAMES), p50: quantile(measured, 0.5), p99: quantile(measured, 0.99), max: quantile(measured, 1) },
    deliver_call_ms: { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) },
    event_loop_delay_p99_ms: Number((delay.percentile(99) / 1e6).toFixed(2)),
    server_cpu_share: Number(cpuShare.toFixed(3)),
    server_rss_mib: { first: mebibytes(rss[0]), last: mebibytes(rss.at(-1)), max: mebibytes(Math.max(...rss)) },
    send_buffer_bytes: metric(metrics, SEND_BUFFER),
    replaced_by_newer: metric(metrics, 'lynceus_ws_messages_dropped_total{reason="replaced_by_newer"}'),
    machine: { node: process.version, cpu: cpus()[0]?.model, cores: cpus().length },
  };
  if (values.json) console.log(JSON.stringify(result));
  else for (const [key, value] of Object.entries(result)) console.log(`${key.padEnd(24)} ${typeof value === 'object' ? Object.entries(value).map(([name, part]) => `${name} ${part}`).join(', ') : value}`);
}
