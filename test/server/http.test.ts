import { createServer } from 'node:net';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AppError } from '../../src/core/errors.js';
import { schemas } from '../../src/protocol/schemas.js';
import { openApiDocument } from '../../src/server/openapi.js';
import type { LynceusServer, ServerOptions } from '../../src/server/server.js';
import { deliver, fakeStream, startTestServer, type FakeStream } from './fixture.js';

let server: LynceusServer | undefined;
let streams: FakeStream[];
beforeEach(() => {
  streams = [fakeStream('front-door'), fakeStream('yard')];
});
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function start(options: Partial<ServerOptions> = {}): Promise<LynceusServer> {
  return (server = await startTestServer(streams, options));
}

async function get(path: string, headers: Record<string, string> = {}): Promise<{ status: number; headers: Headers; text: string; json: () => Record<string, unknown> }> {
  const response = await fetch(server!.url + path, { headers });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) as Record<string, unknown> };
}

describe('a trace of what just happened', () => {
  const asked: [number, string | undefined][] = [];
  const trace: ServerOptions['trace'] = async function* (lastMs, stream) {
    asked.push([lastMs, stream]);
    await Promise.resolve();
    yield '{"traceEvents":[';
    yield ']}';
  };
  beforeEach(() => void asked.splice(0));

  test.each([
    ['/api/v1/trace', 10_000, undefined],
    ['/api/v1/trace?last=500ms', 500, undefined],
    ['/api/v1/trace?last=2m&stream=yard', 120_000, 'yard'],
  ])('%s', async (path, lastMs, stream) => {
    await start({ trace });
    const { status, headers, json } = await get(path);
    expect([status, json(), headers.get('content-disposition')]).toEqual([200, { traceEvents: [] }, 'attachment; filename="lynceus.trace.json"']);
    expect(asked).toEqual([[lastMs, stream]]);
  });

  test.each([
    ['?last=soon', 400, 'ERR_USAGE'],
    ['?last=11m', 400, 'ERR_USAGE'],
    ['?stream=cellar', 404, 'ERR_NOT_FOUND'],
  ])('%s is refused', async (query, status, code) => {
    await start({ trace });
    const answer = await get(`/api/v1/trace${query}`);
    expect([answer.status, answer.json()['code']]).toEqual([status, code]);
    expect(asked).toEqual([]);
  });
});

describe('health', () => {
  test('alive and ready', async () => {
    await start();
    expect((await get('/healthz')).json()).toEqual({ status: 'ok', version: '0.0.0-test' });
    for (const path of ['/readyz', '/readiness']) expect((await get(path)).json()).toEqual({ ready: true, reasons: [] });
  });

  test('not ready says why', async () => {
    await start({ ready: () => ({ ready: false, reasons: ['yard is connecting'] }) });
    const answer = await get('/readyz');
    expect(answer.status).toBe(503);
    expect(answer.json()).toEqual({ ready: false, reasons: ['yard is connecting'] });
  });
});

describe('streams', () => {
  test('all, and one with statistics and graph', async () => {
    await start();
    const all = (await get('/api/v1/streams')).json()['streams'];
    expect(all).toMatchObject([{ name: 'front-door', source_kind: 'rtsp', state: 'running', event: { state: 'running', message: 'frames come' } }, { name: 'yard' }]);
    expect((await get('/api/v1/streams/yard')).json()).toMatchObject({ name: 'yard', stats: { type: 'stats', fps: 24.988 }, graph: { stream: 'yard', nodes: [{ id: 'source' }, { id: 'detect' }] } });
    expect((await get('/api/v1/stats')).json()).toMatchObject({ clients: 0, streams: [{ stream: 'front-door' }, { stream: 'yard' }] });
  });

  test('one that has not said anything yet is connecting', async () => {
    streams[0]!.event = undefined;
    await start();
    expect((await get('/api/v1/streams/front-door')).json()).toMatchObject({ state: 'connecting', event: null });
  });

  test('the graph in three forms', async () => {
    await start();
    expect((await get('/api/v1/graph')).json()).toMatchObject({ graphs: [{ stream: 'front-door' }, { stream: 'yard' }] });
    expect((await get('/api/v1/graph?format=dot')).text).toBe(
      [
        'digraph lynceus {',
        '  rankdir=LR',
        '  node [shape=box]',
        ...['front-door', 'yard'].flatMap((name, i) => [
          `  subgraph cluster_${i} {`,
          `    label="${name}"`,
          `    "${name}/source" [label="source\\nrtsp\\nrtsp://camera.example/${name}"]`,
          `    "${name}/detect" [label="detect\\ndetector.yolo\\nyolo \\"xl\\" 320x320"]`,
          `    "${name}/source" -> "${name}/detect" [label="latest"]`,
          '  }',
        ]),
        '}',
        '',
      ].join('\n'),
    );
    const mermaid = (await get('/api/v1/graph?format=mermaid')).text;
    expect(mermaid).toContain('flowchart LR\n  subgraph s0["front-door"]\n    s0n0["source<br>rtsp<br>rtsp://camera.example/front-door"]\n    s0n1["detect<br>detector.yolo<br>yolo &quot;xl&quot; 320x320"]\n    s0n0 -->|"latest"| s0n1\n  end\n');
  });
});

describe('documents', () => {
  test('every schema is served', async () => {
    await start();
    const paths = (await get('/schemas/v1/')).json()['schemas'] as string[];
    expect(paths).toHaveLength(Object.keys(schemas()).length);
    for (const path of paths) expect((await get(path)).json()).toMatchObject({ $id: path });
    expect((await get('/asyncapi.json')).json()).toMatchObject({ asyncapi: '3.0.0', info: { version: '0.0.0-test' } });
  });

  test('the OpenAPI document has every route of the server, and no other', async () => {
    await start();
    const paths = Object.keys((openApiDocument('1') as { paths: object }).paths);
    for (const path of paths) {
      const { status } = await get(path.replace('{name}', 'yard').replace('{file}', 'frame.json'));
      expect(status, path).toBe(200);
    }
    // Routes as the source registers them: one that is added without a line in the document shows here.
    const source = readFileSync('src/server/http-routes.ts', 'utf8');
    const registered = [...source.matchAll(/app\.get(?:<.*>)?\('([^']+)'/g)].map(([, path]) => path!.replace(/:(\w+)/, '{$1}'));
    expect(registered.length).toBeGreaterThan(10);
    expect(paths.toSorted()).toEqual(['/', ...registered].toSorted());
    expect((await get('/openapi.json')).json()).toEqual(openApiDocument('0.0.0-test'));
  });
});

describe('problems', () => {
  test.each([
    ['an unknown path', '/nothing', 404, 'ERR_NOT_FOUND'],
    ['an unknown stream', '/api/v1/streams/moon', 404, 'ERR_NOT_FOUND'],
    ['an unknown schema', '/schemas/v1/constructor.json', 404, 'ERR_NOT_FOUND'],
    ['an unknown format', '/api/v1/graph?format=png', 400, 'ERR_USAGE'],
    ['a broken URL', '/api/v1/streams/%zz', 400, 'ERR_USAGE'],
    ['a way out of the files', '/client/..%2f..%2fpackage.json', 404, 'ERR_NOT_FOUND'],
  ])('%s', async (_, path, status, code) => {
    await start();
    const answer = await get(path);
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(answer).toMatchObject({ status });
    expect(answer.json()).toMatchObject({ type: 'about:blank', status, code });
  });

  test('a failure inside tells nothing of it', async () => {
    await start();
    streams[0]!.stats = () => {
      throw new Error('the password is 1234');
    };
    const answer = await get('/api/v1/stats');
    expect(answer.status).toBe(500);
    expect(answer.json()).toMatchObject({ code: 'ERR_INTERNAL', detail: 'The server failed; its log says why.' });
    expect(answer.text).not.toContain('1234');
  });

  test('an address by a foreign name is refused', async () => {
    await start();
    const { hostname, port } = new URL(server!.url);
    const call = request({ hostname, port, path: '/api/v1/streams', headers: { host: 'evil.example' } }).end();
    const [response] = (await once(call, 'response')) as [IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(403);
  });
});

describe('with a token', () => {
  const token = 'a-token-of-some-length';

  test.each(['/healthz', '/readyz', '/readiness', '/'])('%s needs none', async (path) => {
    await start({ token });
    expect((await get(path)).status).toBe(200);
  });

  test.each(['/metrics', '/api/v1/streams', '/api/v1/graph', '/api/v1/trace', '/schemas/v1/frame.json', '/openapi.json', '/nothing'])('%s needs it', async (path) => {
    await start({ token });
    const answer = await get(path);
    expect(answer).toMatchObject({ status: 401 });
    expect(answer.headers.get('www-authenticate')).toBe('Bearer');
    expect(answer.json()).toMatchObject({ code: 'ERR_AUTH_REQUIRED' });
    expect((await get(path, { authorization: 'Bearer wrong' })).status).toBe(401);
    expect((await get(path, { authorization: `Bearer ${token}` })).status).not.toBe(401);
  });
});

describe('the viewer', () => {
  test('comes with headers that keep other scripts out, and is not sent twice', async () => {
    await start();
    const page = await get('/');
    expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'; script-src 'self'");
    expect(page.headers.get('x-content-type-options')).toBe('nosniff');
    const etag = page.headers.get('etag')!;
    expect((await get('/', { 'if-none-match': etag })).status).toBe(304);
    // The 3D library, two megabytes, goes compressed to who can read that.
    const compressed = await get('/three.core.js', { 'accept-encoding': 'gzip' });
    expect([compressed.headers.get('content-encoding'), compressed.headers.get('vary')]).toEqual(['gzip', 'accept-encoding']);
    const plain = await get('/three.core.js', { 'accept-encoding': 'identity' });
    expect(plain.headers.get('content-encoding')).toBeNull();
    expect(compressed.text).toBe(plain.text);
    expect((await get('/', { 'accept-encoding': 'gzip' })).headers.get('content-encoding')).toBeNull();
    for (const [, path] of page.text.matchAll(/(?:src|href)="([^"#]+)"/g)) expect((await get(new URL(path!, 'http://x/').pathname)).status, path).toBe(200);
  });
});

describe('metrics', () => {
  test('have the names and types of the golden list, and the numbers of what happened', async () => {
    await start({ breaches: () => [{ stream: 'yard', cause: 'queue', count: 3 }] });
    const [door] = streams;
    for (let seq = 0; seq < 5; seq++) deliver(server!, door!, seq, { detections: 3 });
    door!.guard = {
      frames: [{ state: 'guarded', count: 4 }, { state: 'unguarded', reason: 'ERR_INFERENCE_FAILED', count: 1 }],
      patches: [{ verdict: 'adversarial', action: 'filled', count: 3 }, { verdict: 'benign', action: 'none', count: 2 }],
      extraPasses: 6,
      recovered: 3,
      suppressed: 1,
    };
    door!.drops = [{ stage: 'detect', reason: 'replaced_by_newer', count: 7 }];
    const { text, headers } = await get('/metrics');
    expect(headers.get('content-type')).toContain('text/plain');
    const types = [...text.matchAll(/^# TYPE (lynceus_\S+ \S+)$/gm)].map(([, line]) => line!);
    expect(`${types.toSorted().join('\n')}\n`).toBe(readFileSync('test/golden/metrics.txt', 'utf8'));
    for (const line of [
      'lynceus_frames_received_total{stream="front-door"} 12',
      'lynceus_frames_delivered_total{stream="front-door"} 5',
      'lynceus_frames_dropped_total{stream="front-door",stage="detect",reason="replaced_by_newer"} 7',
      'lynceus_detections_total{stream="front-door",label="person"} 5',
      'lynceus_queue_depth{stream="yard",stage="detect"} 1',
      'lynceus_source_up{stream="yard"} 1',
      'lynceus_source_reconnects_total{stream="yard",reason="ERR_SOURCE_TIMEOUT"} 2',
      'lynceus_frame_pool_buffers{stream="yard"} 8',
      'lynceus_frame_pool_buffers_in_use{stream="yard"} 0',
      'lynceus_breaches_total{stream="yard",cause="queue"} 3',
      'lynceus_stage_duration_seconds_bucket{le="0.01",stream="front-door",stage="detect"} 5',
      'lynceus_stage_duration_seconds_bucket{le="0.005",stream="front-door",stage="detect"} 0',
      'lynceus_queue_wait_seconds_count{stream="front-door",stage="detect"} 5',
      'lynceus_boxes_before_nms_count{stream="front-door",stage="detect"} 5',
      'lynceus_boxes_before_nms_sum{stream="front-door",stage="detect"} 185',
      'lynceus_end_to_end_latency_seconds_count{stream="front-door"} 5',
      'lynceus_frame_age_seconds{stream="front-door"} 0.1',
      'lynceus_patch_regions_total{stream="front-door",verdict="adversarial",action="filled"} 3',
      'lynceus_patch_regions_total{stream="front-door",verdict="benign",action="none"} 2',
      'lynceus_guard_extra_passes_total{stream="front-door"} 6',
      'lynceus_guard_frames_total{stream="front-door",state="guarded",reason=""} 4',
      'lynceus_guard_frames_total{stream="front-door",state="unguarded",reason="ERR_INFERENCE_FAILED"} 1',
      'lynceus_guard_boxes_total{stream="front-door",origin="recovered"} 3',
      'lynceus_ws_clients 0',
      `lynceus_build_info{version="0.0.0-test",node="${process.version}"} 1`,
    ]) {
      expect(text.split('\n')).toContain(line);
    }
    // The stream without a guard says nothing of one.
    expect(text).not.toMatch(/lynceus_(guard|patch)\w*\{stream="yard"/);
    expect(text).toMatch(/^process_cpu_seconds_total /m);
    expect(text).toMatch(/^nodejs_eventloop_lag_p99_seconds /m);
  });

  test.each([['reconnecting'], ['stalled'], ['frozen'], ['failed'], ['connecting']] as const)('a source that is %s is not up', async (state) => {
    await start();
    streams[1]!.event = { epochMs: 0, state, message: '' };
    expect((await get('/metrics')).text).toContain('lynceus_source_up{stream="yard"} 0');
  });

  test('hold no address', async () => {
    await start();
    expect((await get('/metrics')).text).not.toContain('camera.example');
  });
});

test('a port that is taken is said so, with a way out', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const failure = await start({ port }).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(AppError);
  expect(failure).toMatchObject({ code: 'ERR_PORT_IN_USE', fix: expect.stringContaining('--port') as string });
  other.close();
});

test('an address of another machine is said so', async () => {
  await expect(start({ host: '192.0.2.1' })).rejects.toMatchObject({ code: 'ERR_USAGE' });
});
