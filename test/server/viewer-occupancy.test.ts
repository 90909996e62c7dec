import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type BrowserContext, type Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { FrameFormat } from '../../src/core/frame.js';
import type { LynceusServer } from '../../src/server/server.js';
import { deliver, fakeStream, startTestServer, type FakeFrameOptions, type FakeStream } from './fixture.js';
import { GRID, RIG, streetAt, SyntheticSpace } from './synthetic-space.js';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path));
const SKIP_REASON = CHROMIUM === undefined ? 'no Chromium is installed here' : false;
const FORMAT: FrameFormat = { size: { width: 88, height: 40 }, fit: 'stretch', padValue: 114 };
/** In the left picture: a post, and nothing but sky. */
const BOXES = Float32Array.of(380, 160, 460, 230, 100, 5, 180, 60);

describe.skipIf(SKIP_REASON !== false)(`occupied space in Chromium${SKIP_REASON === false ? '' : ` (skipped: ${SKIP_REASON})`}`, { timeout: 60_000 }, () => {
  let context: BrowserContext;
  let page: Page;
  let profile: string;
  let server: LynceusServer | undefined;
  let problems: string[];
  let asked: string[];
  let timer: NodeJS.Timeout | undefined;

  beforeAll(async () => {
    profile = mkdtempSync(join(tmpdir(), 'lynceus-chromium-'));
    context = await chromium.launchPersistentContext(profile, {
      executablePath: CHROMIUM!,
      // Small: 3D by the processor costs by the pixel.
      viewport: { width: 720, height: 620 },
      // 3D is drawn by the processor, as on a machine without a graphics card.
      args: ['--no-sandbox', '--disable-gpu', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    });
  });
  afterAll(async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  });
  beforeEach(async () => {
    problems = [];
    asked = [];
    page = await context.newPage();
    page.setDefaultTimeout(45_000);
    page.on('request', (request) => asked.push(new URL(request.url()).pathname));
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error' && !message.text().includes('WebSocket connection to')) problems.push(message.text());
    });
  });
  afterEach(async () => {
    clearInterval(timer);
    await page.close();
    await server?.close();
    server = undefined;
    expect(problems).toEqual([]);
  });

  const rig = (name = 'robot'): FakeStream => fakeStream(name, { stereo: () => ({ rig: RIG, grid: GRID }) }, 8, FORMAT);
  const space = () => page.locator('.space');

  async function open(streams: FakeStream[]): Promise<void> {
    server = await startTestServer(streams);
    await page.goto(server.url);
  }

  /** Delivers some frames a second; what is in them is asked for anew each time. */
  function run(stream: FakeStream, next: (seq: number) => FakeFrameOptions['occupancy']): void {
    let seq = 0;
    timer = setInterval(() => {
      const occupancy = next(seq);
      if (server) deliver(server, stream, seq, { format: FORMAT, sourceSize: RIG.size, xyxy: BOXES, ...(occupancy && { occupancy }) });
      seq += 1;
    }, 250);
  }
  const street = (from = new SyntheticSpace()) => (seq: number) => from.report(streetAt(seq), { boxes: { count: 2, xyxy: BOXES } });

  /** Of the picture of the scene, the share that has a colour: cubes and obstacles have, the ground and its lines hardly. */
  async function colourful(): Promise<{ share: number; bytes: Buffer }> {
    const png = await page.locator('.space-view').screenshot();
    const { data, info } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    let coloured = 0;
    for (let i = 0; i < data.length; i += 3) if (Math.max(data[i]!, data[i + 1]!, data[i + 2]!) - Math.min(data[i]!, data[i + 1]!, data[i + 2]!) > 50) coloured += 1;
    return { share: coloured / (info.width * info.height), bytes: data };
  }
  /** Middle difference of two pictures of one size, 0 to 255. */
  const difference = (a: Buffer, b: Buffer): number => a.reduce((sum, value, i) => sum + Math.abs(value - b[i]!), 0) / a.length;

  test('shows the cells as cubes, as they change, with distances at the boxes and in words', async () => {
    await page.setViewportSize({ width: 1280, height: 800 });
    const stream = rig();
    await open([stream]);
    run(stream, street());
    await page.waitForFunction(() => Number(document.querySelector<HTMLElement>('.space')?.dataset['seq']) >= 3);
    const { cells, seq } = await space().evaluate((element: HTMLElement) => ({ cells: Number(element.dataset['cells']), seq: Number(element.dataset['seq']) }));
    expect(cells).toBe(streetAt(seq).length);
    expect((await colourful()).share).toBeGreaterThan(0.15);
    expect(await space().locator('.nearest').textContent()).toMatch(/^[\d.]+ m (ahead|\d+° (left|right))$/);
    expect(await space().locator('.level').textContent()).toBe('64 cells of 0.5 m');
    expect(await space().locator('.cells').textContent()).toBe(cells.toLocaleString('en'));
    expect(await space().locator('.computed').textContent()).toBe('18%');
    expect(await space().locator('.space-notice').isVisible()).toBe(false);
    expect(await page.locator('.volume-key').isVisible()).toBe(true);
    await page.screenshot({ path: process.env['LYNCEUS_OCCUPANCY_SCREENSHOT'] ?? join(profile, 'occupancy.png') });
  });

  test('can be turned, coloured and looked at from above by keyboard alone', async () => {
    const stream = rig();
    await open([stream]);
    const report = street()(0);
    run(stream, () => report);
    await page.waitForFunction(() => Number(document.querySelector<HTMLElement>('.space')?.dataset['cells']) > 0);
    const changes = async (act: () => Promise<void>): Promise<void> => {
      const before = (await colourful()).bytes;
      await act();
      await expect.poll(async () => difference(before, (await colourful()).bytes), { timeout: 20_000, interval: 200 }).toBeGreaterThan(3);
    };
    await changes(() => page.getByRole('button', { name: 'Distance' }).press('Enter'));
    expect(await space().locator('.space-high').textContent()).toBe('32 m away');
    await changes(() => page.getByRole('button', { name: 'Above' }).press('Enter'));
    await page.locator('.space-canvas').focus();
    await changes(async () => {
      for (let i = 0; i < 4; i++) await page.keyboard.press('ArrowLeft');
    });
    await changes(() => page.keyboard.press('Home'));
  });

  test('goes on after the server was gone, from the cells of the new one', async () => {
    const stream = rig();
    await open([stream]);
    run(stream, street());
    await page.waitForFunction(() => Number(document.querySelector<HTMLElement>('.space')?.dataset['seq']) >= 2);
    const { port } = new URL(server!.url);
    clearInterval(timer);
    await server!.close();
    await page.locator('#connection', { hasText: 'The server is gone' }).waitFor();
    server = await startTestServer([stream], { port: Number(port) });
    const few = Uint32Array.of(32 + 64 * (62 + 64 * 20), 33 + 64 * (62 + 64 * 20));
    const after = new SyntheticSpace();
    run(stream, () => after.report(few));
    await page.locator('.space[data-cells="2"]').waitFor();
    expect(await space().locator('.cells').textContent()).toBe('2');
  });

  test('says in words what is missing: the first pair, a camera, an obstacle', async () => {
    const stream = rig();
    await open([stream]);
    const notice = space().locator('.space-notice');
    await notice.filter({ hasText: 'Waiting for the first pair of pictures' }).waitFor();
    let now: FakeFrameOptions['occupancy'] = { code: 'ERR_STEREO_CAMERA_DEAD', message: 'The right camera shows nothing.' };
    const from = new SyntheticSpace();
    run(stream, () => now ?? from.report(new Uint32Array(0)));
    await notice.filter({ hasText: 'The right camera shows nothing. Nothing is known of the space yet.ERR_STEREO_CAMERA_DEAD' }).waitFor();
    now = undefined;
    await notice.filter({ hasText: 'Nothing solid within 32 m' }).waitFor();
    expect(await space().locator('.nearest').textContent()).toBe('none within 32 m');
    now = { code: 'ERR_STEREO_CAMERA_DEAD', message: 'The right camera shows nothing.' };
    await notice.filter({ hasText: /The right camera shows nothing\. What is drawn is [\d.]+ s old\.ERR_STEREO_CAMERA_DEAD/ }).waitFor();
    await page.locator('.space.old').waitFor();
  });

  test('a stream of one camera has none of it, and loads none of it', async () => {
    const stream = fakeStream('door', {}, 8, FORMAT);
    await open([stream]);
    run(stream, () => undefined);
    await page.locator('.found', { hasText: 'person, bicycle' }).waitFor();
    expect(await space().isVisible()).toBe(false);
    expect(asked.filter((path) => path.includes('three'))).toEqual([]);
  });

  test('without 3D the distances are there, and why the cubes are not', async () => {
    await page.addInitScript(() => {
      const getContext = HTMLCanvasElement.prototype.getContext;
      HTMLCanvasElement.prototype.getContext = function (this: HTMLCanvasElement, kind: string, ...rest: unknown[]) {
        return kind.startsWith('webgl') ? null : (getContext as (...all: unknown[]) => unknown).call(this, kind, ...rest);
      } as typeof getContext;
    });
    const stream = rig();
    await open([stream]);
    run(stream, street());
    await space().locator('.space-notice', { hasText: 'This browser draws no 3D' }).waitFor();
    await space().locator('.nearest', { hasText: ' m ' }).waitFor();
    problems = problems.filter((problem) => !problem.includes('WebGL'));
  });

  test('fits a phone', async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    const stream = rig();
    await open([stream]);
    run(stream, street());
    await page.waitForFunction(() => Number(document.querySelector<HTMLElement>('.space')?.dataset['cells']) > 0);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    await page.locator('.space-view').scrollIntoViewIfNeeded();
    expect((await colourful()).share).toBeGreaterThan(0.1);
    await page.screenshot({ path: process.env['LYNCEUS_PHONE_SCREENSHOT'] ?? join(profile, 'phone.png') });
  });
});
