import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

/** Who may talk to the server. */
export interface AccessRules {
  /** Bearer token; undefined lets everybody in who passes the other rules. */
  readonly token: string | undefined;
  /** Origins of other hosts whose pages may connect, e.g. `https://example.org`; `*` is any. */
  readonly allowedOrigins: readonly string[];
  /** The address the server is bound to. */
  readonly host: string;
}

/** `missing` may still send its token as the first message of a WebSocket. */
export type TokenVerdict = 'accepted' | 'missing' | 'wrong';

/** What the `Authorization` header is worth. */
export function checkAuthorization(rules: AccessRules, headers: IncomingHttpHeaders): TokenVerdict {
  if (rules.token === undefined) return 'accepted';
  const header = headers.authorization;
  if (header === undefined) return 'missing';
  const [scheme, token] = header.split(' ', 2);
  return scheme?.toLowerCase() === 'bearer' && token !== undefined && isToken(rules, token) ? 'accepted' : 'wrong';
}

/** Compares in constant time: digests have one length, whatever was sent. */
export function isToken(rules: AccessRules, token: string): boolean {
  return rules.token === undefined || timingSafeEqual(sha256(token), sha256(rules.token));
}

/** A page of another host must be listed; clients that are no browsers send no origin. */
export function isOriginAllowed(rules: AccessRules, headers: IncomingHttpHeaders): boolean {
  const { origin } = headers;
  if (origin === undefined || rules.allowedOrigins.includes('*') || rules.allowedOrigins.includes(origin)) return true;
  return hostOf(origin) === headers.host?.toLowerCase();
}

/**
 * Against DNS rebinding: a page can make its own host name point to 127.0.0.1, and then origin and host agree. A server that listens on
 * the loopback only is therefore addressed by number, as `localhost`, or by the host of a listed origin.
 */
export function isHostAllowed(rules: AccessRules, headers: IncomingHttpHeaders): boolean {
  if (!isLoopback(rules.host) || headers.host === undefined) return true;
  const name = hostNameOf(`http://${headers.host}`);
  if (name === undefined) return false;
  const bare = name.replace(/^\[|\]$/g, '');
  if (isIP(bare) !== 0 || bare === 'localhost' || bare.endsWith('.localhost')) return true;
  return rules.allowedOrigins.some((origin) => origin === '*' || hostNameOf(origin) === name);
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

function hostOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).host : undefined;
}

function hostNameOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname : undefined;
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
