import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { OccupancyDecoder } from '../../src/client/occupancy-decoder.js';
import { connect } from '../../src/client/index.js';
import type { GridLevel } from '../../src/core/voxel-grid.js';
import { frameMessage, helloMessage, occupancyMessage, statsMessage, type OccupancyMessage } from '../../src/protocol/index.js';
import type { LynceusServer } from '../../src/server/server.js';
import { OccupancyNews } from '../../src/server/occupancy-news.js';
import { deliver, fakeStream, startTestServer, type FakeStream } from './fixture.js';
import { GRID, RIG, streetAt, SyntheticSpace } from './synthetic-space.js';
import { TestClient, type Received } from './ws-test-client.js';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function start(stream: FakeStream): Promise<LynceusServer> {
  const server = await startTestServer([stream], { limits: { highWaterBytes: 4096, droppedIntervalMs: 0 } });
  open.push(server);
  return server;
}

async function join(server: LynceusServer, subscribe: object = {}, protocols: string[] = []): Promise<TestClient> {
  const client = await TestClient.open(server.wsUrl, protocols);
  open.push(client);
  if (protocols.length === 0) await client.subscribe({ streams: ['*'], occupancy: true, ...subscribe });
  return client;
}

const messages = (client: TestClient): OccupancyMessage[] => client.of('occupancy') as unknown as OccupancyMessage[];
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const metrics = async (server: LynceusServer): Promise<string> => (await fetch(`${server.url}/metrics`)).text();

/** A client's view after all its messages: each must be readable, and none may be lost on the way. */
function cellsAfter(received: readonly OccupancyMessage[]): Uint32Array {
  const decoder = new OccupancyDecoder();
  for (const message of received) expect(decoder.follow(message), `update ${message.epoch}/${message.update} since ${message.since}`).toBe(true);
  return decoder.voxels().cells;
}

describe('occupied space', () => {
  test('goes to who asked for it: a keyframe in the middle of an epoch, then deltas', async () => {
    const stream = fakeStream('yard');
    const server = await start(stream);
    const space = new SyntheticSpace();
    const [asking, other] = [await join(server), await join(server, { occupancy: false })];
    for (let seq = 0; seq < 3; seq++) deliver(server, stream, seq, { occupancy: space.report(streetAt(seq)) });
    await asking.until(() => messages(asking).length === 3, 'three updates');
    const late = await join(server);
    for (let seq = 3; seq < 6; seq++) deliver(server, stream, seq, { occupancy: space.report(streetAt(seq)) });
    await late.until(() => messages(late).length === 3, 'three updates');
    await asking.until(() => messages(asking).length === 6, 'six updates');
    for (const message of messages(asking)) expect(occupancyMessage.parse(message)).toEqual(message);
    expect(messages(asking).map(({ seq, kind, update, since }) => [seq, kind, update, since])).toEqual([[0, 'keyframe', 0, undefined], [1, 'delta', 1, 0], [2, 'delta', 2, 1], [3, 'delta', 3, 2], [4, 'delta', 4, 3], [5, 'delta', 5, 4]]);
    expect(messages(late).map(({ seq, kind, update, since }) => [seq, kind, update, since])).toEqual([[3, 'keyframe', 3, undefined], [4, 'delta', 4, 3], [5, 'delta', 5, 4]]);
    for (const client of [asking, late]) expect(cellsAfter(messages(client))).toEqual(streetAt(5));
    await other.until(() => other.of('frame').length === 6, 'six frames');
    expect(other.of('occupancy')).toEqual([]);
  });

  test('goes as bytes in MessagePack', async () => {
    const stream = fakeStream('yard');
    const server = await start(stream);
    const client = await join(server, {}, ['lynceus.v1.msgpack']);
    const { packr } = await import('./pack.js');
    client.sendRaw(packr.pack({ type: 'subscribe', streams: ['yard'], occupancy: true }));
    await client.next('subscribed');
    deliver(server, stream, 0, { occupancy: new SyntheticSpace().report(streetAt(0)) });
    const message = (await client.next('occupancy')) as unknown as OccupancyMessage<Uint8Array>;
    expect(message.changed).toBeInstanceOf(Uint8Array);
    expect(new OccupancyDecoder().follow(message)).toBe(true);
  });

  test('leads a client that was slow from what it has to what is, without a keyframe', async () => {
    const stream = fakeStream('yard');
    const server = await start(stream);
    const space = new SyntheticSpace(1e6);
    const client = await join(server);
    deliver(server, stream, 0, { occupancy: space.report(streetAt(0)) });
    await client.next('occupancy');
    client.socket.pause();
    let seq = 1;
    while (!(await metrics(server)).includes('reason="replaced_by_newer"')) {
      for (let i = 0; i < 5; i++) {
        // Large frames, so that what the kernel takes is full soon.
        deliver(server, stream, seq, { detections: 3000, occupancy: space.report(streetAt(seq)) });
        seq += 1;
        await nextTurn();
      }
      expect(seq).toBeLessThan(1_000);
    }
    client.socket.resume();
    await client.until(() => messages(client).at(-1)?.seq === seq - 1, 'the newest update');
    expect(messages(client).some(({ update, since }) => since !== undefined && since < update - 1)).toBe(true);
    expect(messages(client).filter(({ kind }) => kind === 'keyframe')).toHaveLength(1);
    expect(cellsAfter(messages(client))).toEqual(streetAt(seq - 1));
  });

  test('with max_rate skips updates and no changes', async () => {
    const stream = fakeStream('yard');
    const server = await start(stream);
    const space = new SyntheticSpace();
    const reports = Array.from({ length: 80 }, (_, seq) => space.report(streetAt(seq)));
    const client = await join(server, { max_rate: 10, policy: 'all' });
    for (let seq = 0; messages(client).length < 4; seq++) {
      deliver(server, stream, seq, { occupancy: reports[seq]! });
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const received = messages(client);
    expect(received.some(({ update, since }) => since !== undefined && since < update - 1)).toBe(true);
    received.forEach((message, i) => expect(cellsAfter(received.slice(0, i + 1))).toEqual(streetAt(message.seq)));
  });

  test('begins anew with a keyframe where a client subscribes again, with another policy too', async () => {
    const stream = fakeStream('yard');
    const server = await start(stream);
    const space = new SyntheticSpace();
    const client = await join(server, { policy: 'all' });
    deliver(server, stream, 0, { occupancy: space.report(streetAt(0)) });
    client.send({ type: 'subscribe', streams: ['yard'], occupancy: true });
    await client.until(() => client.of('subscribed').length === 2, 'the second answer');
    deliver(server, stream, 1, { occupancy: space.report(streetAt(1)) });
    await client.until(() => messages(client).length === 2, 'two updates');
    expect(messages(client).map(({ kind }) => kind)).toEqual(['keyframe', 'keyframe']);
  });

  test('is nothing that a stream of one camera promises', async () => {
    const server = await start(fakeStream('door', { stereo: () => undefined }));
    const client = await join(server, { occupancy: false });
    expect(helloMessage.parse(client.of('hello')[0]).streams[0]).not.toHaveProperty('occupancy');
  });

  test('of a frame is in its message, with distances at its boxes, and why it is missing where it is', async () => {
    const stream = fakeStream('yard', { stereo: () => ({ rig: RIG, grid: GRID }) });
    const server = await start(stream);
    const client = await join(server, { occupancy: false });
    expect(helloMessage.parse(client.of('hello')[0]).streams[0]!.occupancy).toEqual({
      rig: { width: 880, height: 400, focal_px: 500, focal_y_px: 500, centre: [440, 170], centre_shift_px: 0, baseline_m: 0.54 },
      grid: { range_m: 32, bottom_m: 1 },
    });
    const occupancy = { ...new SyntheticSpace().report(streetAt(0)), boxes: [{ hitShare: 0.8, distanceM: 4.25049, extentM: [0.5, 2, 0.5] as const, hasVolume: true }, { hitShare: 0, distanceM: undefined, extentM: undefined, hasVolume: false }], volumes: [{ xyxy: [1, 2, 11, 22] as const, distanceM: 7.5, extentM: [1, 1, 1] as const, cells: 5 }] };
    deliver(server, stream, 0, { occupancy });
    const frame = frameMessage.parse(await client.next('frame'));
    expect(frame.detections.map(({ distance_m, extent_m, has_volume }) => ({ distance_m, extent_m, has_volume }))).toEqual([{ distance_m: 4.25, extent_m: [0.5, 2, 0.5], has_volume: true }, { has_volume: false }]);
    expect(frame.volumes).toEqual([{ bbox: [1, 2, 10, 20], distance_m: 7.5, extent_m: [1, 1, 1], cells: 5 }]);
    expect(frame.occupancy).toMatchObject({ level: 64, computed_share: 0.18, nearest: { from_deg: -40, to_deg: 40 } });
    deliver(server, stream, 1, { occupancy: { code: 'ERR_STEREO_CAMERA_DEAD', message: 'The right camera shows nothing.' } });
    expect(frameMessage.parse(await client.next('frame'))).toMatchObject({ occupancy: { code: 'ERR_STEREO_CAMERA_DEAD', message: 'The right camera shows nothing.' }, detections: [{ label: 'person' }, { label: 'bicycle' }] });
    await client.subscribe({ streams: ['yard'], fields: ['occupancy'] });
    deliver(server, stream, 2, { occupancy });
    expect(Object.keys(await client.next('frame'))).toEqual(['type', 'stream', 'seq', 'occupancy']);
    stream.occupancy = { pairs: 2, computedShare: 0.18, levels: [{ level: 64, count: 2 }], missing: [{ code: 'ERR_STEREO_CAMERA_DEAD', count: 1 }] };
    await client.until(() => client.of('stats').some((stats) => statsMessage.parse(stats).occupancy?.missing[0]?.count === 1), 'its statistics');
    expect(await metrics(server)).toMatch(/lynceus_occupancy_pairs_total\{stream="yard",level="64"\} 2\n/);
    expect(await metrics(server)).toMatch(/lynceus_occupancy_missing_total\{stream="yard",code="ERR_STEREO_CAMERA_DEAD"\} 1\n/);
    expect(await metrics(server)).toMatch(/lynceus_occupancy_level\{stream="yard"\} 64\n/);
    expect(await metrics(server)).toMatch(/lynceus_nearest_obstacle_meters\{stream="yard"\} [\d.]+\n/);
  });

  test('reaches the typed client, which asks for it again after a new connection', async () => {
    const stream = fakeStream('yard');
    let server = await startTestServer([stream]);
    const { port } = new URL(server.url);
    const decoder = new OccupancyDecoder();
    const seen: [string, boolean][] = [];
    const client = connect(server.url, { occupancy: true, fields: [], backoff: { initialMs: 10 }, onOccupancy: (message) => seen.push([message.kind, decoder.follow(message)]) });
    open.push(client);
    const space = new SyntheticSpace();
    const until = async (count: number): Promise<void> => {
      for (let seq = 0; seen.length < count && seq < 500; seq++) {
        deliver(server, stream, seq, { occupancy: space.report(streetAt(seq)) });
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    await until(3);
    await server.close();
    const before = seen.length;
    server = await startTestServer([stream], { port: Number(port) });
    open.push(server);
    await until(before + 2);
    expect(seen.slice(0, 2)).toEqual([['keyframe', true], ['delta', true]]);
    expect(seen[before]).toEqual(['keyframe', true]);
    expect(seen.every(([, isKnown]) => isKnown)).toBe(true);
  });
});

describe('news', () => {
  const scene = fc.uniqueArray(fc.nat({ max: 16 ** 3 - 1 }), { maxLength: 60 });
  const frames = fc.array(fc.record({ cells: scene, isLostBefore: fc.boolean(), takers: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }) }), { minLength: 1, maxLength: 25 });

  test('whatever frames are lost before the server, and whichever a client takes, it knows after each what the stage knew', () => {
    fc.assert(
      fc.property(frames, fc.integer({ min: 1, max: 8 }), (sequence, keyframeEvery) => {
        const space = new SyntheticSpace(keyframeEvery);
        const clients = [0, 1, 2].map(() => ({ decoder: new OccupancyDecoder(), known: undefined as OccupancyNews | undefined }));
        let before: OccupancyNews | undefined;
        sequence.forEach(({ cells, isLostBefore, takers }, seq) => {
          const sorted = Uint32Array.from(cells).sort();
          const report = space.report(sorted, { level: 16 as GridLevel });
          if (isLostBefore) return;
          before = new OccupancyNews('yard', { sequence: seq, ptsUs: 0 }, report, before);
          for (const [i, client] of clients.entries()) {
            if (!takers[i]) continue;
            const message = before.messageSince(client.known)!;
            client.known = before;
            expect(client.decoder.follow(JSON.parse(message.bytes('json', 0).toString()) as OccupancyMessage)).toBe(true);
            expect(client.decoder.voxels().cells).toEqual(sorted);
          }
        });
      }),
    );
  });

  test('are made once for all who have the same, and not at all for who has them', () => {
    const space = new SyntheticSpace();
    const all: OccupancyNews[] = [];
    for (let seq = 0; seq < 3; seq++) all.push(new OccupancyNews('yard', { sequence: seq, ptsUs: 0 }, space.report(streetAt(2 * seq)), all.at(-1)));
    const [first, second, third] = all as [OccupancyNews, OccupancyNews, OccupancyNews];
    expect(third.messageSince(undefined)).toBe(third.messageSince(undefined));
    expect(third.messageSince(first)).toBe(third.messageSince(first));
    expect(third.messageSince(first)).not.toBe(third.messageSince(second));
    expect(third.messageSince(third)).toBeUndefined();
    expect(second.messageSince(third)).toBeUndefined();
  });

  test('of a stage that began again are a keyframe, even where the numbers would go on', () => {
    const [older, newer] = [new SyntheticSpace(), new SyntheticSpace()];
    const known = new OccupancyNews('yard', { sequence: 0, ptsUs: 0 }, older.report(streetAt(0)), undefined);
    const anew = new OccupancyNews('yard', { sequence: 1, ptsUs: 0 }, newer.report(streetAt(2)), known);
    const next = new OccupancyNews('yard', { sequence: 2, ptsUs: 0 }, newer.report(streetAt(4)), anew);
    const kindOf = (received: Received | undefined): unknown => received?.['kind'];
    expect(kindOf(JSON.parse(next.messageSince(known)!.bytes('json', 0).toString()) as Received)).toBe('keyframe');
    expect(kindOf(JSON.parse(next.messageSince(anew)!.bytes('json', 0).toString()) as Received)).toBe('delta');
  });
});
