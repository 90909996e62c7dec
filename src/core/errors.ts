/**
 * Every failure that a user can meet, with the exit status it ends a command with.
 * The codes are a promise: messages may change, codes don't. `docs/errors.md` explains each of them, and a test keeps both lists equal.
 */
export const ERROR_CODES = {
  // configuration: the user's to mend, found before anything runs
  ERR_USAGE: 2,
  ERR_CONFIG_SYNTAX: 2,
  ERR_CONFIG_INVALID: 2,
  ERR_CONFIG_UNKNOWN_KEY: 2,
  ERR_CONFIG_ENV_MISSING: 2,
  ERR_FILE_NOT_FOUND: 2,
  ERR_PORT_IN_USE: 1,
  // models
  ERR_MODEL_NOT_FOUND: 2,
  ERR_MODEL_MANIFEST: 2,
  ERR_MODEL_CHECKSUM: 1,
  ERR_MODEL_CORRUPT: 1,
  ERR_MODEL_UNSUPPORTED_OP: 1,
  ERR_MODEL_HEAD_UNKNOWN: 2,
  ERR_MODEL_OUTPUT_SHAPE: 1,
  ERR_MODEL_EXISTS: 2,
  ERR_MODEL_TASK: 2,
  ERR_MODEL_ELASTIC: 1,
  ERR_MODEL_IMPORT: 1,
  ERR_DOWNLOAD_FAILED: 1,
  ERR_DOWNLOAD_OFFLINE: 1,
  // the guard
  ERR_GUARD_PROFILE_MISSING: 2,
  ERR_GUARD_PROFILE_INVALID: 2,
  ERR_GUARD_TAP_MISSING: 1,
  // sources
  ERR_FFMPEG_MISSING: 1,
  ERR_FFMPEG_FAILED: 1,
  ERR_SOURCE_AUTH: 1,
  ERR_SOURCE_NOT_FOUND: 1,
  ERR_SOURCE_REFUSED: 1,
  ERR_SOURCE_UNREACHABLE: 1,
  ERR_SOURCE_TIMEOUT: 1,
  ERR_SOURCE_CODEC: 1,
  ERR_SOURCE_STALLED: 1,
  ERR_SOURCE_FROZEN: 1,
  ERR_SOURCE_ENDED: 1,
  ERR_SOURCE_TRUNCATED: 1,
  ERR_SOURCE_FORMAT: 1,
  ERR_DATASET_INVALID: 2,
  ERR_DATASET_EMPTY: 2,
  ERR_FRAME_CORRUPT: 1,
  ERR_STEREO_UNPAIRED: 1,
  ERR_STEREO_SIZES: 1,
  ERR_STEREO_CAMERA_DEAD: 1,
  ERR_STEREO_UPSIDE_DOWN: 1,
  ERR_STEREO_SWAPPED: 1,
  ERR_STEREO_MISALIGNED: 1,
  ERR_STEREO_UNSYNCHRONISED: 1,
  // calibration of stereo rigs
  ERR_CALIBRATION_FORMAT: 2,
  ERR_CALIBRATION_SIZE: 2,
  ERR_CALIBRATION_LENS: 2,
  ERR_CALIBRATION_DISTORTION: 2,
  ERR_CALIBRATION_BASELINE: 2,
  // inference and graph
  ERR_INFERENCE_FAILED: 1,
  ERR_WORKER_DIED: 1,
  ERR_STAGE_UNKNOWN: 2,
  ERR_STAGE_FAILED: 1,
  // server and protocol
  ERR_PROTOCOL_MESSAGE: 1,
  ERR_PROTOCOL_VERSION: 1,
  ERR_PROTOCOL_LIMIT: 1,
  ERR_AUTH_REQUIRED: 1,
  ERR_ORIGIN_FORBIDDEN: 1,
  ERR_CLIENT_TOO_SLOW: 1,
  ERR_NOT_FOUND: 1,
  // output
  ERR_OUTPUT_WRITE: 1,
  ERR_DISK_FULL: 1,
  ERR_INTERNAL: 1,
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface AppErrorOptions extends ErrorOptions {
  /** What the user can do about it, one sentence. */
  fix?: string;
}

/** An error that a user may see: a stable code, a message that says what was expected and what was found, and a way out. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly fix: string | undefined;

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'AppError';
    this.code = code;
    this.fix = options.fix;
  }

  get exitStatus(): number {
    return ERROR_CODES[this.code];
  }
}

/** Wraps anything thrown into an `AppError`; one that already is passes through unchanged. */
export function toAppError(thrown: unknown, code: ErrorCode = 'ERR_INTERNAL'): AppError {
  if (thrown instanceof AppError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new AppError(code, message, { cause: thrown });
}

/** Node's own code of a system error (`ENOENT`, `ENOSPC`, ...), or undefined. */
export function systemErrorCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !('code' in thrown)) return undefined;
  return typeof thrown.code === 'string' ? thrown.code : undefined;
}
