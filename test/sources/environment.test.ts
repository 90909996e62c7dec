import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, test } from 'vitest';
import { type FfmpegBinaries, findFfmpeg } from '../../src/sources/find-ffmpeg.js';
import { isUntimed, needsPacing, networkInputOptions, schemeOf } from '../../src/sources/network-options.js';
import { resolveHost } from '../../src/sources/resolve-host.js';
import { ffmpegBinaries } from '../fixtures/ffmpeg-cache.js';

const root = mkdtempSync(join(tmpdir(), 'lynceus-find-'));
let folder: string;
let count = 0;

beforeEach(() => {
  folder = join(root, String((count += 1)));
  mkdirSync(folder);
});

afterAll(() => rmSync(root, { recursive: true }));

describe('findFfmpeg', () => {
  it('prefers the one that is named', () => {
    const named = fake('named', { version: '7.1', libavformat: '61.  7.100' });
    fake('bin', { version: '6.0', libavformat: '60.  3.100' });
    const found = findFfmpeg({ LYNCEUS_FFMPEG: named, FFMPEG_PATH: 'nothing', PATH: join(folder, 'bin') });
    expect(found).toMatchObject({ ffmpegPath: named, version: '7.1', packaged: false, libavformat: { major: 61, minor: 7 } });
    expect(found.ffprobePath).toBe(join(folder, 'named', 'ffprobe'));
  });

  it('takes the first on PATH that can be run', () => {
    const bad = join(folder, 'bad');
    mkdirSync(bad);
    writeFileSync(join(bad, 'ffmpeg'), 'no program');
    const good = fake('good', { version: 'n5.0-static', libavformat: '59. 16.100' });
    expect(findFfmpeg({ PATH: `${bad}::${join(folder, 'good')}` })).toMatchObject({ ffmpegPath: good, packaged: false });
  });

  it('falls back on the packaged one, also where the one on PATH is broken', () => {
    fake('broken', { version: '5.1', libavformat: '59. 27.100', exit: 1 });
    for (const PATH of ['', join(folder, 'broken')]) {
      const found = findFfmpeg({ PATH });
      expect(found).toMatchObject({ packaged: true, ffmpegPath: ffmpegBinaries().packaged, libavformat: { major: 58 } });
      expect(found.ffprobePath).toMatch(/ffprobe/);
    }
  });

  it('says so where the one that was named is not there, rather than to take another', () => {
    expect(() => findFfmpeg({ LYNCEUS_FFMPEG: '/nowhere/ffmpeg', PATH: process.env['PATH'] })).toThrow(expect.objectContaining({ code: 'ERR_FFMPEG_MISSING' }));
  });

  it('finds ffprobe elsewhere on PATH where it is not beside ffmpeg', () => {
    const lone = fake('lone', { version: '5.1', libavformat: '59. 27.100' }, false);
    fake('bin', { version: '5.1', libavformat: '59. 27.100' });
    expect(findFfmpeg({ LYNCEUS_FFMPEG: lone, PATH: join(folder, 'bin') }).ffprobePath).toBe(join(folder, 'bin', 'ffprobe'));
  });
});

const AT = (major: number, minor = 0): FfmpegBinaries => ({ ffmpegPath: '', ffprobePath: '', version: '', packaged: false, libavformat: { major, minor } });

describe('network options', () => {
  test.each([
    ['rtsp, 5.1', 'rtsp://c/x', AT(59, 27), '-timeout'],
    ['rtsp, 4.1, where -timeout would listen', 'rtsp://c/x', AT(58, 24), '-stimeout'],
    ['rtsps', 'RTSPS://c/x', AT(60), '-timeout'],
    ['http', 'http://c/x', AT(59), '-rw_timeout'],
    ['udp', 'udp://239.0.0.1:5000', AT(59), '-timeout'],
  ])('spell the time limit as that ffmpeg knows it: %s', (_, url, binaries, option) => {
    const options = networkInputOptions({ url, transport: 'tcp', ioTimeoutMs: 20_000 }, binaries);
    expect(options[options.indexOf(option) + 1]).toBe('20000000');
    expect(options.filter((word) => /timeout/.test(word))).toEqual([option]);
  });

  test.each([
    ['rtsp://user:pw@host/x', 'rtsp'],
    ['HTTPS://host', 'https'],
    ['srt://host:9000?mode=caller', 'srt'],
  ])('know a stream: %s', (url, scheme) => {
    expect(schemeOf(url)).toBe(scheme);
  });

  test.each(['', 'file:///etc/passwd', 'rtsp:', 'rtsp://', 'concat:a|b', 'camera', '/dev/video0', 'javascript://x'])('refuse what is none: %s', (url) => {
    expect(() => schemeOf(url)).toThrow(expect.objectContaining({ code: 'ERR_CONFIG_INVALID' }));
  });

  it('do not repeat a password in the refusal', () => {
    expect(() => schemeOf('ftp://user:hidden@host/x')).toThrow(expect.not.objectContaining({ message: expect.stringContaining('hidden') as string }));
  });

  test.each([
    ['http', ['hls'], true],
    ['https', ['mov', 'mp4', 'm4a'], true],
    ['http', ['mpegts'], false],
    ['http', ['mpjpeg'], false],
    ['rtsp', ['rtsp'], false],
  ])('pace what comes in bursts: %s %j', (scheme, names, paced) => {
    expect(needsPacing(scheme, names)).toBe(paced);
  });

  test.each([
    [['mpjpeg'], true],
    [['h264'], true],
    [['rtsp'], false],
    [['mpegts'], false],
  ])('know what has no time stamps: %j', (names, untimed) => {
    expect(isUntimed(names)).toBe(untimed);
  });
});

describe('resolveHost', () => {
  const packaged = { ...AT(58, 24), packaged: true };

  test.each([
    ['leaves addresses to an ffmpeg that can resolve names', 'rtsp://u:p@localhost:554/x', AT(59), 'rtsp://u:p@localhost:554/x', []],
    ['looks up the name for the packaged one', 'rtsp://u:p@localhost:554/x?a=localhost', packaged, 'rtsp://u:p@127.0.0.1:554/x?a=localhost', []],
    ['keeps the name for HTTP servers', 'http://localhost:8080/x', packaged, 'http://127.0.0.1:8080/x', ['-headers', 'Host: localhost:8080\r\n']],
    ['has nothing to do for an address', 'rtsp://10.0.0.2/x', packaged, 'rtsp://10.0.0.2/x', []],
    ['has nothing to do for an IPv6 address', 'rtsp://[::1]:554/x', packaged, 'rtsp://[::1]:554/x', []],
  ])('%s', async (_, url, binaries, expected, inputOptions) => {
    expect(await resolveHost(url, 'camera', binaries)).toEqual({ url: expected, inputOptions });
  });

  it('says that a host has no address, without the password', async () => {
    const failing = resolveHost('rtsp://u:hidden@nohost.invalid/x', 'rtsp://nohost.invalid/x', packaged);
    await expect(failing).rejects.toMatchObject({ code: 'ERR_SOURCE_UNREACHABLE', message: expect.not.stringContaining('hidden') as string });
  });
});

/** A folder with an ffmpeg that only knows its version, and an ffprobe. */
function fake(name: string, facts: { version: string; libavformat: string; exit?: number }, withProbe = true): string {
  const bin = join(folder, name);
  mkdirSync(bin);
  const path = join(bin, 'ffmpeg');
  const answer = `ffmpeg version ${facts.version} Copyright (c)\\nlibavutil      57. 28.100 / 57. 28.100\\nlibavformat    ${facts.libavformat} / ${facts.libavformat}\\n`;
  writeFileSync(path, `#!/bin/sh\nprintf '${answer}'\nexit ${facts.exit ?? 0}\n`);
  chmodSync(path, 0o755);
  if (withProbe) symlinkSync('ffmpeg', join(bin, 'ffprobe'));
  expect(readdirSync(bin)).toContain('ffmpeg');
  return path;
}
