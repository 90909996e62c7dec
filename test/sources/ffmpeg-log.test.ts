import { describe, expect, it, test } from 'vitest';
import { classifyFfmpeg, ffmpegError } from '../../src/sources/classify.js';
import { redact } from '../../src/sources/redact.js';
import { readStderrLine, StderrLog } from '../../src/sources/stderr-log.js';

/** Lines as ffmpeg 5.1.9 and 4.1 wrote them (`-loglevel repeat+level+verbose`). */
describe('readStderrLine', () => {
  test.each([
    ['nothing', '[info] Stream mapping:', undefined],
    ['an empty line', '', undefined],
    ['our own expression, which is no size', "[scale@view0 @ 0x5649ec8d3800] [verbose] w:max(1,min(320,floor(iw*min(320/iw,320/ih)+0.5))) h:1 flags:'bilinear' interl:0", undefined],
    [
      'the size',
      '[scale@view0 @ 0x5649ec8d3800] [verbose] w:768 h:576 fmt:yuv420p sar:12/11 -> w:320 h:240 fmt:gbrp sar:1/1 flags:0x2',
      { kind: 'picture_size', instance: 'view0', size: { width: 768, height: 576 } },
    ],
    [
      'the size, as later versions word it',
      '[scale@view1 @ 0x1] [verbose] w:640 h:360 fmt:yuv420p csp:bt709 range:tv sar:1/1 -> w:320 h:180 fmt:gbrp csp:gbr range:pc sar:1/1 flags:0x2',
      { kind: 'picture_size', instance: 'view1', size: { width: 640, height: 360 } },
    ],
    ['a filter of another name', '[Parsed_scale_1 @ 0x1] [verbose] w:640 h:360 fmt:yuv420p sar:1/1 -> w:320 h:180 fmt:gbrp sar:1/1 flags:0x2', undefined],
    ['a demuxer with names', "[info] Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:a.mp4':", { kind: 'input_format', names: ['mov', 'mp4', 'm4a', '3gp', '3g2', 'mj2'] }],
    ['a demuxer', "[info] Input #0, rtsp, from 'rtsp://127.0.0.1:26221/live':", { kind: 'input_format', names: ['rtsp'] }],
    ['a lost frame', '[error] Error while decoding stream #0:0: Invalid data found when processing input', { kind: 'frame_lost' }],
    ['a lost frame, 7.x', '[vist#0:0/h264 @ 0x1] [dec:h264 @ 0x2] [error] Error submitting packet to decoder: Invalid data found when processing input', { kind: 'frame_lost' }],
    ['a concealed frame, which is not lost', '[warning] file:bad.mp4: corrupt decoded frame in stream 0', undefined],
    ['a cut MP4', '[mov,mp4,m4a,3gp,3g2,mj2 @ 0x5642ed1f2a40] [error] stream 0, offset 0x16373: partial file', { kind: 'cut' }],
    ['an MP4 without index', '[mov,mp4,m4a,3gp,3g2,mj2 @ 0x560511b00a40] [error] moov atom not found', { kind: 'cut' }],
    ['a cut Matroska file, 5.1', '[matroska,webm @ 0x559a78ec2a40] [error] File ended prematurely', { kind: 'cut' }],
    ['a cut Matroska file, 4.1', '[matroska,webm @ 0x42031d40] [error] Read error', { kind: 'cut' }],
    ['damage in the middle of a transport stream', '[mpegts @ 0x557a1ddbaa40] [warning] Packet corrupt (stream = 0, dts = 226800).', undefined],
  ])('%s', (_, line, fact) => {
    expect(readStderrLine(line)).toEqual(fact);
  });
});

describe('classifyFfmpeg', () => {
  test.each([
    ['wrong password, RTSP', ['[rtsp] method DESCRIBE failed: 401 Unauthorized', 'rtsp://c/live: Server returned 401 Unauthorized (authorization failed)'], 'ERR_SOURCE_AUTH'],
    ['forbidden, HTTP', ['[http] HTTP error 403 Forbidden', 'http://c/live: Server returned 403 Forbidden (access denied)'], 'ERR_SOURCE_AUTH'],
    ['no such stream, RTSP', ['[rtsp] method DESCRIBE failed: 404 Not Found', 'rtsp://c/live: Server returned 404 Not Found'], 'ERR_SOURCE_NOT_FOUND'],
    ['no such stream, in a server’s own words', ['[rtsp] method DESCRIBE failed: 404 Stream Not Found', 'rtsp://c/live: Server returned 404 Not Found'], 'ERR_SOURCE_NOT_FOUND'],
    ['no such page', ['[http] HTTP error 404 Not Found'], 'ERR_SOURCE_NOT_FOUND'],
    ['nobody listens', ['[tcp] Connection to tcp://127.0.0.1:9?timeout=0 failed: Connection refused', 'rtsp://c/x: Connection refused'], 'ERR_SOURCE_REFUSED'],
    ['too many viewers', ['[rtsp] method SETUP failed: 453 Not Enough Bandwidth'], 'ERR_SOURCE_REFUSED'],
    ['a transport that the camera lacks', ['[rtsp] method SETUP failed: 461 Unsupported transport'], 'ERR_SOURCE_REFUSED'],
    ['a broken server', ['[http] HTTP error 503 Service Unavailable', 'http://c: Server returned 5XX Server Error reply'], 'ERR_SOURCE_REFUSED'],
    ['no address', ['[tcp] Failed to resolve hostname nohost.invalid: Name or service not known', 'rtsp://nohost.invalid/x: Input/output error'], 'ERR_SOURCE_UNREACHABLE'],
    ['no route', ['[tcp] Connection to tcp://10.9.9.9:554 failed: No route to host', 'rtsp://10.9.9.9/x: No route to host'], 'ERR_SOURCE_UNREACHABLE'],
    ['no answer', ['[tcp] Connection to tcp://10.9.9.9:554 failed: Connection timed out', 'rtsp://10.9.9.9/x: Connection timed out'], 'ERR_SOURCE_TIMEOUT'],
    ['unknown codec', ['[rtsp] Could not find codec parameters for stream 0 (Video: none, 1 reference frame, none): unknown codec', 'Decoder (codec none) not found for input stream #0:0'], 'ERR_SOURCE_CODEC'],
    ['a codec that this build lacks', ['Decoder (codec av1) not found for input stream #0:0'], 'ERR_SOURCE_CODEC'],
    ['sound only', ["Stream map '0:V:0' matches no streams."], 'ERR_SOURCE_FORMAT'],
    ['text', ['file:/x/notes.txt: Invalid data found when processing input'], 'ERR_SOURCE_FORMAT'],
    ['an MP4 without its index', ['[mov,mp4,m4a,3gp,3g2,mj2] moov atom not found', 'file:/x.mp4: Invalid data found when processing input'], 'ERR_SOURCE_TRUNCATED'],
    ['a protocol that it lacks', ['foo://x: Protocol not found'], 'ERR_SOURCE_FORMAT'],
    ['no file', ['file:/nowhere.mp4: No such file or directory'], 'ERR_FILE_NOT_FOUND'],
    ['a cut connection', ['[rtsp] CSeq 5 expected, 0 received.', 'rtsp://c/x: Connection reset by peer'], 'ERR_SOURCE_ENDED'],
    ['nothing that we know', ['[swscaler] No accelerated colorspace conversion found from yuv420p to gbrp.'], undefined],
    ['nothing at all', [], undefined],
    ['only that we went away', ['av_interleaved_write_frame(): Broken pipe', 'Error writing trailer of unix:/tmp/x: Broken pipe'], undefined],
  ])('%s', (_, lines, code) => {
    expect(classifyFfmpeg(lines, 'the camera')?.code).toBe(code);
  });

  it('quotes the line that tells, and a way out', () => {
    const error = classifyFfmpeg(['[h264] no frame!', 'rtsp://***@c/x: Connection refused'], 'rtsp://c/x');
    expect(error?.message).toBe('rtsp://c/x: the server refused the connection or the request (ffmpeg: rtsp://***@c/x: Connection refused).');
    expect(error?.fix).toMatch(/port/);
  });

  it('says at least how ffmpeg ended', () => {
    expect(ffmpegError(['[x] something new'], 'a.mp4', 'ended with status 1')).toMatchObject({
      code: 'ERR_FFMPEG_FAILED',
      message: 'a.mp4: ffmpeg ended with status 1 ([x] something new).',
    });
  });
});

describe('StderrLog', () => {
  it('keeps the last problems only, without addresses of memory and without secrets', () => {
    const log = new StderrLog(redact);
    log.push('[info] Stream mapping:');
    log.push('[tcp @ 0x56067377a500] [verbose] Starting connection attempt to 127.0.0.1 port 9');
    log.push('[error] rtsp://user:secretpw@127.0.0.1:9/x: Connection refused');
    log.push('[h264 @ 0x1a2b] [error] no frame!');
    expect(log.lines).toEqual(['rtsp://***@127.0.0.1:9/x: Connection refused', '[h264] no frame!']);
  });

  it('forgets the oldest', () => {
    const log = new StderrLog(redact);
    for (let i = 0; i < 100; i += 1) log.push(`[error] ${i}`);
    expect(log.lines).toHaveLength(StderrLog.CAPACITY);
    expect(log.lines.at(-1)).toBe('99');
  });
});
