import { AppError, type ErrorCode } from '../core/errors.js';

interface Rule {
  readonly pattern: RegExp;
  readonly code: ErrorCode;
  readonly message: string;
  readonly fix: string;
}

/**
 * What ffmpeg's own words mean (5.1 and 4.1 say the same where not noted; the tests hold the lines). First match wins: a refused login
 * is also logged as a failed DESCRIBE, an unknown codec also as missing parameters.
 */
const RULES: readonly Rule[] = [
  {
    pattern: /\b401 Unauthorized|\b403 Forbidden|authorization failed|access denied|Authentication (?:failed|required)/i,
    code: 'ERR_SOURCE_AUTH',
    message: 'the server refused the user name or password',
    fix: 'Check the user and password in the address; characters like @ / : # must be percent-encoded.',
  },
  {
    pattern: /\b404\b[^\n]*Not Found|\b404 [A-Z]|failed: 454|Server returned 404|\b410 Gone/i,
    code: 'ERR_SOURCE_NOT_FOUND',
    message: 'the server has no such stream',
    fix: "Check the path of the address; the camera's manual or its ONVIF page names it.",
  },
  {
    pattern: /Connection refused|\b453 Not Enough Bandwidth|\b50[023] |\b400 Bad Request|Server returned (?:4XX|5XX)|failed: [45]\d\d /i,
    code: 'ERR_SOURCE_REFUSED',
    message: 'the server refused the connection or the request',
    fix: 'Check the port, that the server runs, and that it has no limit of viewers.',
  },
  {
    pattern: /Failed to resolve hostname|Name or service not known|No route to host|Network is unreachable|Host is unreachable|Temporary failure in name resolution/i,
    code: 'ERR_SOURCE_UNREACHABLE',
    message: 'the server cannot be reached',
    fix: 'Check the host name and the network.',
  },
  {
    pattern: /timed out|Timeout|No data received/i,
    code: 'ERR_SOURCE_TIMEOUT',
    message: 'the server did not answer in time',
    fix: 'Check the address and the network; where UDP is filtered use transport tcp.',
  },
  {
    pattern: /moov atom not found|partial file|File ended prematurely|Stream ends prematurely|^\[matroska[^\]]*\] Read error/im,
    code: 'ERR_SOURCE_TRUNCATED',
    message: 'the video is cut: it ends before its own index says',
    fix: 'Copy or record it again, completely.',
  },
  {
    pattern: /Decoder \([^)]*\) not found|Decoder not found|No decoder|Unknown decoder|codec not currently supported|Unsupported codec|unknown codec|Could not find codec parameters|Video: none|not implemented/i,
    code: 'ERR_SOURCE_CODEC',
    message: 'this ffmpeg cannot decode the video',
    fix: 'Install a current ffmpeg, or set the camera to H.264.',
  },
  {
    pattern: /matches no streams|does not contain any stream|no video/i,
    code: 'ERR_SOURCE_FORMAT',
    message: 'there is no video in it',
    fix: 'Name a video, not a sound recording or a subtitle file.',
  },
  {
    pattern: /No such file or directory/i,
    code: 'ERR_FILE_NOT_FOUND',
    message: 'there is no such file',
    fix: 'Check the path.',
  },
  {
    pattern: /Protocol not found|protocol .*not on whitelist|Invalid data found|Is a directory|could not find codec|Unable to open resource|Unknown input format|Invalid argument/i,
    code: 'ERR_SOURCE_FORMAT',
    message: 'it is not a video that ffmpeg can read',
    fix: 'Check that it plays with ffplay or VLC.',
  },
  {
    pattern: /Connection reset by peer|Broken pipe|End of file|Input\/output error|Connection closed|aborted/i,
    code: 'ERR_SOURCE_ENDED',
    message: 'the connection was closed',
    fix: 'See the log of the server.',
  },
];

/** Lines that only say that our own end was closed, or that a later one repeats in other words. */
const OWN_END = /Error writing|av_interleaved_write_frame|Error muxing|Broken pipe$|Immediate exit requested|Exiting normally/;

/** What `lines` of ffmpeg's log (redacted) tell about why it ended; undefined where they don't. */
export function classifyFfmpeg(lines: readonly string[], location: string): AppError | undefined {
  const telling = lines.filter((line) => !OWN_END.test(line));
  const text = telling.join('\n');
  const rule = RULES.find(({ pattern }) => pattern.test(text));
  if (!rule) return undefined;
  const quoted = telling.findLast((line) => rule.pattern.test(line));
  return new AppError(rule.code, `${location}: ${rule.message} (ffmpeg: ${quoted?.trim() ?? 'no details'}).`, { fix: rule.fix });
}

/** The error of an ffmpeg that ended with a failure. */
export function ffmpegError(lines: readonly string[], location: string, ending: string): AppError {
  const classified = classifyFfmpeg(lines, location);
  if (classified) return classified;
  const last = lines.at(-1)?.trim() ?? 'it wrote no reason';
  return new AppError('ERR_FFMPEG_FAILED', `${location}: ffmpeg ${ending} (${last}).`, { fix: 'Run `lynceus doctor`, and ffmpeg by hand on the same input.' });
}
