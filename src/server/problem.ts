import { STATUS_CODES } from 'node:http';
import type { AppError, ErrorCode } from '../core/errors.js';

/** A failed request as RFC 9457 has it, with our code. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly fix?: string;
}

const STATUS_OF: Partial<Record<ErrorCode, number>> = {
  ERR_AUTH_REQUIRED: 401,
  ERR_ORIGIN_FORBIDDEN: 403,
  ERR_NOT_FOUND: 404,
  ERR_PROTOCOL_VERSION: 400,
  ERR_PROTOCOL_MESSAGE: 400,
  ERR_PROTOCOL_LIMIT: 503,
  ERR_USAGE: 400,
};

export const PROBLEM_CONTENT_TYPE = 'application/problem+json';

/** Status, reason phrase and body; an internal error tells nothing of its inside. */
export function problemOf(error: AppError): { status: number; title: string; body: Problem } {
  const status = STATUS_OF[error.code] ?? 500;
  const title = STATUS_CODES[status] ?? 'Error';
  const detail = status === 500 ? 'The server failed; its log says why.' : error.message;
  const body = { type: 'about:blank', title, status, detail, code: error.code };
  return { status, title, body: error.fix === undefined ? body : { ...body, fix: error.fix } };
}
