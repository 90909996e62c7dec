import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { createRedactor, redact, redactUrl } from '../../src/sources/redact.js';

describe('redact', () => {
  test.each([
    ['nothing to hide', 'rtsp://camera.local:554/stream1', 'rtsp://camera.local:554/stream1'],
    ['user and password', 'rtsp://admin:pw@10.0.0.2/live', 'rtsp://***@10.0.0.2/live'],
    ['user alone', 'rtsp://admin@10.0.0.2/live', 'rtsp://***@10.0.0.2/live'],
    ['a password with an at sign', 'rtsp://admin:p@ss@10.0.0.2/live', 'rtsp://***@10.0.0.2/live'],
    ['a password with a slash', 'rtsp://admin:pa/ss@10.0.0.2/live', 'rtsp://***@10.0.0.2/live'],
    ['a password with a hash', 'rtsp://admin:pa#ss?@10.0.0.2/live', 'rtsp://***@10.0.0.2/live'],
    ['a password of digits and a slash, which looks like a port', 'rtsp://admin:554/x@10.0.0.2/live', 'rtsp://***@10.0.0.2/live'],
    ['an at sign in the path', 'http://host/@team/a.m3u8', 'http://host/@team/a.m3u8'],
    ['a token', 'https://host/a.m3u8?token=abc&quality=2', 'https://host/a.m3u8?token=***&quality=2'],
    ['a token by another name', 'https://host/a?X-Amz-Signature=abc&X-Amz-Date=2', 'https://host/a?X-Amz-Signature=***&X-Amz-Date=2'],
    ['user and password as parameters', 'http://cam/video.cgi?user=admin&pwd=1&res=hd', 'http://cam/video.cgi?user=***&pwd=***&res=hd'],
    ['two addresses in one line', "from 'rtsp://a:b@c/d' to http://e:f@g/h", "from 'rtsp://***@c/d' to http://***@g/h"],
    ['a header', 'Authorization: Basic YWRtaW46cHc=', 'Authorization: ***'],
    ['a line of ffmpeg', '[rtsp @ 0x1] rtsp://admin:pw@10.0.0.2/live: Connection refused', '[rtsp @ 0x1] rtsp://***@10.0.0.2/live: Connection refused'],
  ])('%s', (_, text, expected) => {
    expect(redact(text)).toBe(expected);
  });

  it('never lets a password of an address through, whatever it is made of', () => {
    const secret = fc.string({ minLength: 4, maxLength: 20 }).filter((text) => !/[\s'"<>]/.test(text));
    fc.assert(
      fc.property(secret, (password) => {
        const encoded = encodeURIComponent(password);
        fc.pre(!'rtsp://***@camera/stream'.includes(encoded) && !'rtsp://***@camera/stream'.includes(password));
        expect(redact(`rtsp://user:${encoded}@camera/stream`)).toBe('rtsp://***@camera/stream');
        expect(createRedactor(`rtsp://user:${encoded}@camera/stream`)(`the server says: ${password} or ${encoded}?`)).not.toContain(encoded);
      }),
      { numRuns: 2000 },
    );
  });
});

test('an address for people has no trace of a user', () => {
  expect(redactUrl('rtsp://admin:pw@10.0.0.2:554/live?token=x')).toBe('rtsp://10.0.0.2:554/live?token=***');
});

describe('createRedactor', () => {
  test.each([
    ['the password as it was written', 'rtsp://u:pass%40word@c/', 'echo pass%40word', 'echo ***'],
    ['the password decoded', 'rtsp://u:pass%40word@c/', 'echo pass@word', 'echo ***'],
    ['the credentials in base64', 'rtsp://admin:secret@c/', 'echo YWRtaW46c2VjcmV0', 'echo ***'],
    ['a token', 'http://c/?access_token=abcdef', 'redirected to /abcdef/x', 'redirected to /***/x'],
    ['a stray per cent sign', 'rtsp://u:100%safe@c/', 'echo 100%safe', 'echo ***'],
    ['not a secret of three characters, which words are made of', 'rtsp://u:ram@c/', 'a frame', 'a frame'],
  ])('hides where it stands alone: %s', (_, url, text, expected) => {
    expect(createRedactor(url)(text)).toBe(expected);
  });
});
