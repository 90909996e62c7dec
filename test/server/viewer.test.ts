import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { NO_DETECTIONS } from '../../src/core/detections.js';
import type { FrameFormat } from '../../src/core/frame.js';
import type { LynceusServer, ServerOptions } from '../../src/server/server.js';
import { deliver, fakeGuardReport, fakeStream, startTestServer, type FakeFrameOptions, type FakeStream } from './fixture.js';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path));
const SKIP_REASON = CHROMIUM === undefined ? 'no Chromium is installed here' : false;
const FORMAT: FrameFormat = { size: { width: 96, height: 96 }, fit: 'letterbox', padValue: 114 };

describe.skipIf(SKIP_REASON !== false)(`the viewer in Chromium${SKIP_REASON === false ? '' : ` (skipped: ${SKIP_REASON})`}`, () => {
  let context: BrowserContext;
  let page: Page;
  let profile: string;
  let server: LynceusServer | undefined;
  let problems: string[];
  const timers: NodeJS.Timeout[] = [];

  beforeAll(async () => {
    profile = mkdtempSync(join(tmpdir(), 'lynceus-chromium-'));
    context = await chromium.launchPersistentContext(profile, {
      executablePath: CHROMIUM!,
      viewport: { width: 1280, height: 800 },
      args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    });
  });
  afterAll(async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  });
  beforeEach(async () => {
    problems = [];
    page = await context.newPage();
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      // The browser itself reports a connection that fails; everything else is ours.
      if (message.type() === 'error' && !message.text().includes('WebSocket connection to')) problems.push(message.text());
    });
  });
  afterEach(async () => {
    for (const timer of timers.splice(0)) clearInterval(timer);
    await page.close();
    await server?.close();
    server = undefined;
    expect(problems).toEqual([]);
  });

  async function open(streams: FakeStream[], options: Partial<ServerOptions> = {}): Promise<void> {
    server = await startTestServer(streams, options);
    await page.goto(server.url);
  }

  /** Delivers 25 frames a second, each a flat grey picture with two boxes. */
  function run(stream: FakeStream, options: FakeFrameOptions = {}): void {
    let seq = 0;
    timers.push(
      setInterval(() => {
        if (server) deliver(server, stream, seq++, { format: FORMAT, ...options });
      }, 40),
    );
  }

  const camera = (name: string): FakeStream => fakeStream(name, {}, 8, FORMAT);
  const card = (name: string) => page.locator(`[data-stream="${name}"]`);

  test('shows the picture with the boxes of its frame, the times, and what was dropped', async () => {
    const stream = camera('front-door');
    stream.drops = [{ stage: 'detect', reason: 'replaced_by_newer', count: 1234 }];
    stream.delivered = 100;
    await open([stream]);
    run(stream);
    const front = card('front-door');
    await front.locator('.found', { hasText: 'person, bicycle' }).waitFor();
    expect(await page.locator('#connection').textContent()).toBe('Connected · 1 stream · version 0.0.0-test');
    expect(await front.locator('.badge').textContent()).toBe('Running');
    // Statistics come once a second, after the first pictures.
    await front.locator('.latency', { hasText: '10.5ms' }).waitFor();
    expect(await front.locator('.fps').textContent()).toBe('25.0fps');
    expect(await front.locator('.drops').textContent()).toBe('detect: replaced by newer1,234');
    const rows = await front.locator('.times tbody tr').allTextContents();
    expect(rows).toEqual(['detect0.39n too small8.73n too small', 'End to end13.6n too small']);
    await front.locator('.chart canvas').waitFor();
    // The picture has come: grey in the middle, where without one the ground is nearly black.
    await page.waitForFunction(() => {
      const canvas = document.querySelector<HTMLCanvasElement>('.screen')!;
      const [red] = canvas.getContext('2d')!.getImageData(canvas.width / 2, canvas.height - 8, 1, 1).data;
      return red! > 100;
    });
    // The first box: 100 by 100 of 768 by 576 at (1, 1); its line has the colour of class 0, the plate the text.
    const green = await page.evaluate(() => {
      const canvas = document.querySelector<HTMLCanvasElement>('.screen')!;
      const scale = Math.min(canvas.width / 768, canvas.height / 576);
      const left = (canvas.width - 768 * scale) / 2;
      const [red, greenPart, blue] = canvas.getContext('2d')!.getImageData(Math.round(left + 1.23 * scale) + 1, Math.round(80 * scale), 1, 1).data;
      return { red, green: greenPart, blue };
    });
    expect(green.green).toBeGreaterThan(green.red! + 60);
    const screenshot = process.env['LYNCEUS_SCREENSHOT'] ?? join(profile, 'viewer.png');
    await page.screenshot({ path: screenshot });
    expect((await sharp(screenshot).stats()).entropy).toBeGreaterThan(0.5);
  });

  test('shows what a guard did: regions, boxes that it brought back or took out, and a line of it', async () => {
    const [guarded, plain] = [camera('guarded'), camera('plain')];
    await open([guarded, plain]);
    run(guarded, { guard: fakeGuardReport() });
    run(plain);
    await card('guarded').locator('.guard', { hasText: 'guarded, 1 extra pass · 1 patch · 1 box recovered · 1 box suppressed' }).waitFor();
    expect(await card('guarded').locator('.guard').getAttribute('data-tone')).toBe('attack');
    expect(await card('guarded').locator('.guard-line .key').textContent()).toMatch(/patch, taken out.*suspicious.*benign.*recovered box.*suppressed box/s);
    await card('plain').locator('.found', { hasText: 'person, bicycle' }).waitFor();
    expect(await card('plain').locator('.guard-line').isVisible()).toBe(false);
    // Pink lines over the region of the patch, 40 by 40 at (40, 30) of 768 by 576; none where there is nothing.
    const pinkIn = (name: string, [x, y, width, height]: readonly number[]) =>
      page.evaluate(
        ([stream, left, top, right, bottom]) => {
          const canvas = document.querySelector<HTMLCanvasElement>(`[data-stream="${stream}"] .screen`)!;
          const scale = Math.min(canvas.width / 768, canvas.height / 576);
          const x0 = (canvas.width - 768 * scale) / 2;
          const y0 = (canvas.height - 576 * scale) / 2;
          const { data } = canvas.getContext('2d')!.getImageData(Math.round(x0 + left * scale), Math.round(y0 + top * scale), Math.round((right - left) * scale), Math.round((bottom - top) * scale));
          let pink = 0;
          for (let i = 0; i < data.length; i += 4) if (data[i]! > 170 && data[i]! - data[i + 1]! > 50) pink += 1;
          return pink / (data.length / 4);
        },
        [name, x!, y!, x! + width!, y! + height!] as const,
      );
    await expect.poll(() => pinkIn('guarded', [42, 32, 36, 36])).toBeGreaterThan(0.1);
    expect(await pinkIn('guarded', [200, 400, 100, 100])).toBe(0);
    expect(await pinkIn('plain', [42, 32, 36, 36])).toBe(0);
    await page.screenshot({ path: process.env['LYNCEUS_GUARD_SCREENSHOT'] ?? join(profile, 'guard.png') });
  });

  test('shows which boxes were not found in their frame, who is who, the operating point and what a gate spares; nothing of it where there is none', async () => {
    const [watched, plain] = [camera('watched'), camera('plain')];
    watched.redundancy = { frames: [{ action: 'reused', reason: 'static', count: 3 }, { action: 'inferred', reason: 'age', count: 1 }], avoidedInferences: 3, avoidedWorkShare: 0.754 };
    const tracks = { ids: Int32Array.of(7, 12), isConfirmed: Uint8Array.of(1, 1), isCoasted: Uint8Array.of(0, 1), confirmedSoFar: 2 };
    const redundancy = { action: 'moved', reason: 'motion', ageFrames: 2, inferredShare: 0 } as const;
    await open([watched, plain]);
    run(watched, { tracks, redundancy, operatingPoint: { index: 3, name: 'yolox-nano-320/2' } });
    run(plain);
    const front = card('watched');
    await front.locator('.spared', { hasText: '75%' }).waitFor();
    // The bicycle is expected, not seen.
    await front.locator('.found', { hasText: /^person$/ }).waitFor();
    await front.locator('.point', { hasText: /^yolox-nano-320\/2$/ }).waitFor();
    await front.locator('.known-line').waitFor();
    expect(await front.locator('.known-line').innerText()).toMatch(/found in this frame.*known from before.*not seen, expected here.*way of the last 2 s/s);
    await card('plain').locator('.found', { hasText: 'person, bicycle' }).waitFor();
    for (const part of ['.known-line', '.spared-line', '.point-line']) expect(await card('plain').locator(part).isVisible(), part).toBe(false);
    /** Of the left side of the first box, which nothing covers: the share that has the colour of the line. */
    const drawn = (name: string) =>
      page.evaluate((stream) => {
        const canvas = document.querySelector<HTMLCanvasElement>(`[data-stream="${stream}"] .screen`)!;
        const scale = Math.min(canvas.width / 768, canvas.height / 576);
        const left = (canvas.width - 768 * scale) / 2 + 1.23 * scale;
        const top = (canvas.height - 576 * scale) / 2;
        const height = Math.round(50 * scale);
        const { data } = canvas.getContext('2d')!.getImageData(Math.round(left) + 1, Math.round(top + 30 * scale), 1, height);
        let coloured = 0;
        for (let i = 0; i < data.length; i += 4) if (Math.max(data[i]!, data[i + 1]!, data[i + 2]!) - Math.min(data[i]!, data[i + 1]!, data[i + 2]!) > 60) coloured += 1;
        return coloured / height;
      }, name);
    await expect.poll(() => drawn('plain')).toBe(1);
    await expect.poll(() => drawn('watched')).toBeGreaterThan(0.3);
    expect(await drawn('watched')).toBeLessThan(0.8);
    await page.screenshot({ path: process.env['LYNCEUS_TRACKS_SCREENSHOT'] ?? join(profile, 'tracks.png') });
  });

  test('says when a guard could not do its work', async () => {
    const stream = camera('yard');
    await open([stream]);
    run(stream, { guard: fakeGuardReport({ state: 'unguarded', reason: 'ERR_WORKER_DIED', patches: [], suppressed: NO_DETECTIONS, origins: ['untouched', 'untouched'], extraPasses: 0 }) });
    await card('yard').locator('.guard', { hasText: 'unguarded (ERR_WORKER_DIED), 0 extra passes' }).waitFor();
    expect(await card('yard').locator('.guard').getAttribute('data-tone')).toBe('unguarded');
  });

  test('asks for pictures only while somebody sees the page', async () => {
    const stream = camera('yard');
    await open([stream]);
    run(stream);
    const encoded = async (): Promise<number> => Number(/preview_encodes_total\{stream="yard"\} (\d+)/.exec(await (await fetch(`${server!.url}/metrics`)).text())?.[1] ?? 0);
    await expect.poll(encoded).toBeGreaterThan(1);
    await page.evaluate(() => {
      Object.defineProperty(document, 'hidden', { value: true, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    });
    const settled = async (): Promise<boolean> => {
      const before = [await encoded(), stream.delivered] as const;
      await expect.poll(() => stream.delivered).toBeGreaterThan(before[1] + 10);
      return (await encoded()) === before[0];
    };
    await expect.poll(settled, { timeout: 10_000 }).toBe(true);
  });

  test('tells how a source is, with its code and the next try', async () => {
    const stream = camera('gate');
    await open([stream, camera('yard')]);
    const badge = card('gate').locator('.badge');
    const say = (state: 'reconnecting' | 'stalled' | 'frozen' | 'running', extra = {}) => server!.sink.event!('gate', { epochMs: Date.now(), state, message: `The source is ${state}`, ...extra });
    await badge.filter({ hasText: 'Running' }).waitFor();
    say('reconnecting', { code: 'ERR_SOURCE_TIMEOUT', attempt: 4, retryInMs: 60_000 });
    await badge.filter({ hasText: 'Reconnecting' }).waitFor();
    expect(await card('gate').locator('.notice').textContent()).toMatch(/^The source is reconnectingERR_SOURCE_TIMEOUT · attempt 4, next try in (60|59) s$/);
    say('stalled', { code: 'ERR_SOURCE_STALLED' });
    await badge.filter({ hasText: 'Stalled' }).waitFor();
    say('frozen', { code: 'ERR_SOURCE_FROZEN' });
    await badge.filter({ hasText: 'Frozen picture' }).waitFor();
    expect(await card('gate').locator('.notice').textContent()).toBe('The source is frozenERR_SOURCE_FROZEN');
    say('running');
    await card('gate').locator('.notice').waitFor({ state: 'hidden' });
    expect(await card('yard').locator('.badge').textContent()).toBe('Running');
  });

  test('says when the server is gone, and comes back by itself with the streams that run then', async () => {
    await open([camera('old')]);
    await card('old').waitFor();
    const { port } = new URL(server!.url);
    await server!.close();
    await page.locator('#connection', { hasText: 'The server is gone. Trying again' }).waitFor();
    server = await startTestServer([camera('new')], { port: Number(port) });
    await card('new').waitFor();
    expect(await card('old').count()).toBe(0);
    expect(await page.locator('#connection').textContent()).toContain('Connected');
  });

  test('works without any stream, and shows one that begins later', async () => {
    const streams: FakeStream[] = [];
    await open(streams);
    await page.getByText('No stream is running').waitFor();
    const late = camera('late');
    streams.push(late);
    run(late);
    await card('late').locator('.about', { hasText: 'yolo-fastest-1.1-xl · rtsp · rtsp://camera.example/late' }).waitFor();
    expect(await page.getByText('No stream is running').isVisible()).toBe(false);
  });

  test('asks for a token, by keyboard alone', async () => {
    await open([camera('yard')], { token: 'the-right-one' });
    await page.getByRole('heading', { name: 'This server asks for a token' }).waitFor();
    await page.keyboard.type('a-wrong-one');
    await page.keyboard.press('Enter');
    await page.getByText('That token is not the right one.').waitFor();
    await page.keyboard.type('the-right-one');
    await page.keyboard.press('Enter');
    await card('yard').waitFor();
    expect(await page.getByRole('heading', { name: 'This server asks for a token' }).isVisible()).toBe(false);
  });

  test('takes a token from the address once, and removes it there', async () => {
    server = await startTestServer([camera('yard')], { token: 'the-right-one' });
    await page.goto(`${server.url}/#token=the-right-one`);
    await card('yard').waitFor();
    expect(page.url()).toBe(`${server.url}/`);
  });

  test('its buttons work from the keyboard', async () => {
    await open([camera('yard'), camera('gate')]);
    await card('yard').waitFor();
    for (const [name, key] of [['Boxes', 'Enter'], ['Pause', 'Space']] as const) {
      const button = page.getByRole('button', { name });
      const before = await button.getAttribute('aria-pressed');
      await button.focus();
      await page.keyboard.press(key);
      expect(await button.getAttribute('aria-pressed')).not.toBe(before);
    }
    await card('gate').getByRole('button', { name: 'Enlarge' }).press('Enter');
    expect(await card('gate').getAttribute('class')).toContain('enlarged');
  });
});
