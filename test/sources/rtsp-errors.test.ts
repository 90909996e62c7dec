import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, expect, it, test } from 'vitest';
import { startRtspServer } from '../fixtures/rtsp/rtsp-server.js';
import { CameraStage } from './camera-story.js';

const stage = new CameraStage();

describe('a camera that lets nobody in', () => {
  test.each(['basic', 'digest'] as const)('is told apart by its code, and no secret is told: %s', async (scheme) => {
    stage.camera.behaviour.auth = { scheme, user: 'admin', password: 'right horse' };
    const story = stage.watch({ url: stage.camera.urlFor({ user: 'admin', password: 'wr0ng-secret' }) });
    const event = await story.next(({ attempt }) => attempt === 2);
    expect(event).toMatchObject({ state: 'reconnecting', code: 'ERR_SOURCE_AUTH' });
    expect(story.states.slice(0, 2)).toEqual(['connecting', 'reconnecting']);
    expect(JSON.stringify([story.events, story.source.location])).not.toMatch(/wr0ng|admin/);
  });

  test.each(['basic', 'digest'] as const)('opens to the right password, also one that needs encoding: %s', async (scheme) => {
    stage.camera.behaviour.auth = { scheme, user: 'admin', password: 'p@ss/w:rd#1' };
    const story = stage.watch({ url: stage.camera.urlFor({ user: 'admin', password: 'p@ss/w:rd#1' }) });
    await story.moreFrames(3);
    expect(JSON.stringify([story.events, story.source.location])).not.toMatch(/p@ss|p%40ss|admin/);
  });

  it('says that there is no such stream', async () => {
    const story = stage.watch({ url: stage.camera.urlFor({ path: '/nothing' }) });
    expect(await story.until('reconnecting')).toMatchObject({ code: 'ERR_SOURCE_NOT_FOUND' });
  });

  it('says that nobody listens', async () => {
    await stage.camera.refuseFor({ ms: 60_000 });
    const story = stage.watch();
    expect(await story.until('reconnecting')).toMatchObject({ code: 'ERR_SOURCE_REFUSED' });
  });

  it('says that the codec is unknown', async () => {
    // ffmpeg looks at a megabyte before it gives up: a bigger picture gets there sooner.
    await using strange = await startRtspServer({ codec: 'unsupported' });
    const story = stage.watch({ url: strange.url });
    expect(await story.until('reconnecting')).toMatchObject({ code: 'ERR_SOURCE_CODEC' });
    story.stop();
  });

  it('says that a host has no address', async () => {
    const story = stage.watch({ url: 'rtsp://user:hidden-pw@nohost.invalid/stream' });
    expect(await story.until('reconnecting')).toMatchObject({ code: 'ERR_SOURCE_UNREACHABLE' });
    expect(JSON.stringify(story.events)).not.toContain('hidden-pw');
  });

  it('says that a server accepts and never answers', async () => {
    const mute = createServer().listen(0, '127.0.0.1');
    await once(mute, 'listening');
    const { port } = mute.address() as { port: number };
    const story = stage.watch({ url: `rtsp://127.0.0.1:${port}/stream`, connectTimeoutMs: 700 });
    expect(await story.until('reconnecting')).toMatchObject({ code: 'ERR_SOURCE_TIMEOUT' });
    story.stop();
    mute.close();
  });
});
