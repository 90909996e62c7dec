import pino from 'pino';
import sharp from 'sharp';
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { FrameFormat, Size } from '../../src/core/frame.js';
import { fitImage, scaledSize, type FitMode } from '../../src/core/image-fit.js';
import { encodeJpeg, Preview, previewSize } from '../../src/server/preview.js';
import type { LynceusServer } from '../../src/server/server.js';
import type { WireMessage } from '../../src/server/wire-message.js';
import { deliver, fakeFrame, fakeStream, startTestServer } from './fixture.js';
import { TestClient } from './ws-test-client.js';

const format = (width: number, height: number, fit: FitMode): FrameFormat => ({ size: { width, height }, fit, padValue: 114 });

test.each([
  ['a stretched picture gets its shape back', { width: 768, height: 576 }, format(320, 320, 'stretch'), { width: 320, height: 240 }],
  ['a letterbox loses its padding', { width: 1920, height: 1080 }, format(416, 416, 'letterbox'), { width: 416, height: 234 }],
  ['a big one is limited', { width: 3840, height: 2160 }, format(1280, 1280, 'letterbox'), { width: 960, height: 540 }],
  ['a small one is not made bigger', { width: 160, height: 120 }, format(320, 320, 'stretch'), { width: 160, height: 120 }],
  ['upright', { width: 1080, height: 1920 }, format(320, 320, 'stretch'), { width: 180, height: 320 }],
])('size: %s', (_, sourceSize, frameFormat, expected) => {
  expect(previewSize({ sourceSize, format: frameFormat })).toEqual(expected);
});

/** A frame whose picture is red on the left and blue on the right, with green where there is padding. */
function redAndBlue(sourceSize: Size, frameFormat: FrameFormat) {
  const stream = fakeStream('yard', {}, 2, frameFormat);
  const frame = fakeFrame(stream, 3, { sourceSize, format: frameFormat });
  const { width, height } = frameFormat.size;
  const { padX, padY } = fitImage(sourceSize, frameFormat.size, frameFormat.fit);
  const content = scaledSize(sourceSize, frameFormat.size, frameFormat.fit);
  const [green, blue, red] = [0, 1, 2].map((plane) => frame.pixels.subarray(plane * width * height));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const isContent = x >= padX && x < padX + content.width && y >= padY && y < padY + content.height;
      const isLeft = x < padX + content.width / 2;
      green![y * width + x] = isContent ? 0 : 255;
      blue![y * width + x] = isContent && !isLeft ? 255 : 0;
      red![y * width + x] = isContent && isLeft ? 255 : 0;
    }
  }
  return { stream, frame };
}

test.each([
  ['letterbox', 'letterbox' as const],
  ['letterbox top left', 'letterbox-top-left' as const],
  ['stretch', 'stretch' as const],
])('the JPEG is the picture with the right colours, and nothing of the padding: %s', async (_, fit) => {
  const { stream, frame } = redAndBlue({ width: 200, height: 100 }, format(96, 96, fit));
  const size = previewSize(frame);
  const { data, info } = await sharp(await encodeJpeg(frame, size)).raw().toBuffer({ resolveWithObject: true });
  expect({ width: info.width, height: info.height, channels: info.channels }).toEqual({ ...size, channels: 3 });
  const pixel = (x: number, y: number): number[] => [...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3)];
  for (const y of [1, info.height >> 1, info.height - 2]) {
    const [left, right] = [pixel(2, y), pixel(info.width - 3, y)];
    [250, 0, 0].forEach((value, i) => expect(Math.abs(left[i]! - value)).toBeLessThan(12));
    [0, 0, 250].forEach((value, i) => expect(Math.abs(right[i]! - value)).toBeLessThan(12));
  }
  frame.release();
  expect(stream.buffers.inUse).toBe(0);
});

describe('the encoder', () => {
  const setUp = (isWanted: () => boolean, fps = 1000) => {
    const sent: WireMessage[] = [];
    const preview = new Preview({ fps, logger: pino({ level: 'silent' }), isWanted, send: (_, message) => sent.push(message) });
    return { preview, sent };
  };

  test('does nothing while nobody watches', async () => {
    const stream = fakeStream('yard');
    const { preview, sent } = setUp(() => false);
    const frame = fakeFrame(stream, 1);
    const retain = vi.spyOn(frame, 'retain');
    const pixels = vi.spyOn(frame, 'pixels', 'get');
    preview.offer('yard', frame);
    await preview.settled();
    expect(retain).not.toHaveBeenCalled();
    expect(pixels).not.toHaveBeenCalled();
    expect(sent).toEqual([]);
    frame.release();
  });

  test('has one picture at work for each stream, keeps only that frame, and gives it back', async () => {
    const stream = fakeStream('yard');
    const { preview, sent } = setUp(() => true);
    for (let seq = 0; seq < 4; seq++) {
      const frame = fakeFrame(stream, seq);
      preview.offer('yard', frame);
      preview.offer('gate', frame);
      frame.release();
    }
    expect(stream.buffers.inUse).toBe(1);
    await preview.settled();
    expect(stream.buffers.inUse).toBe(0);
    expect(sent).toHaveLength(2);
    expect(Object.fromEntries(preview.encoded)).toEqual({ yard: 1, gate: 1 });
  });

  test('keeps to its rate', async () => {
    const stream = fakeStream('yard');
    const { preview, sent } = setUp(() => true, 0.01);
    for (let seq = 0; seq < 3; seq++) {
      const frame = fakeFrame(stream, seq);
      preview.offer('yard', frame);
      frame.release();
      await preview.settled();
    }
    expect(sent).toHaveLength(1);
  });

  test('gives the frame back where it fails', async () => {
    const stream = fakeStream('yard');
    const { preview, sent } = setUp(() => true);
    const frame = fakeFrame(stream, 1);
    vi.spyOn(frame, 'pixels', 'get').mockReturnValue(new Uint8Array(1));
    preview.offer('yard', frame);
    frame.release();
    await preview.settled();
    expect(sent).toEqual([]);
    expect(stream.buffers.inUse).toBe(0);
  });
});

describe('over the WebSocket', () => {
  const open: { close(): unknown }[] = [];
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one.close();
  });
  const encodes = async (server: LynceusServer): Promise<boolean> => (await (await fetch(`${server.url}/metrics`)).text()).includes('lynceus_preview_encodes_total{');

  test.each([['lynceus.v1.json'], ['lynceus.v1.msgpack']])('a watcher of %s gets the head and the JPEG; without one nothing is encoded', async (protocol) => {
    const stream = fakeStream('yard');
    const server = await startTestServer([stream]);
    open.push(server);
    const idle = await TestClient.open(server.wsUrl);
    await idle.subscribe();
    deliver(server, stream, 0);
    await idle.next('frame');
    expect(await encodes(server)).toBe(false);
    const pictures: Buffer[] = [];
    const watcher = new TestClient(server.wsUrl, [protocol]);
    watcher.socket.removeAllListeners('message');
    const opened = new Promise<void>((resolve) => watcher.socket.once('message', () => resolve()));
    await opened;
    watcher.sendRaw(protocol.endsWith('json') ? '{"type":"subscribe","streams":["*"],"preview":true}' : Buffer.from('83a474797065a9737562736372696265a773747265616d7391a12aa770726576696577c3', 'hex'));
    const picture = new Promise<Buffer>((resolve) => {
      watcher.socket.on('message', (data: Buffer, isBinary) => {
        if (isBinary && data[0] === 0) {
          pictures.push(data);
          resolve(data);
        }
      });
    });
    let seq = 1;
    const ticker = setInterval(() => deliver(server, stream, seq++), 5);
    const data = await picture;
    clearInterval(ticker);
    const length = data.readUInt32BE();
    expect(JSON.parse(data.subarray(4, 4 + length).toString())).toMatchObject({ type: 'preview', stream: 'yard', width: 64, height: 48 });
    expect(await sharp(data.subarray(4 + length)).metadata()).toMatchObject({ format: 'jpeg', width: 64, height: 48 });
    expect(await encodes(server)).toBe(true);
    await watcher.close();
  });
});
