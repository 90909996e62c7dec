/**
 * What a governed stream is held to: a frame's latency from its first byte to its result, or frames a second.
 * Milliseconds: of a latency itself, of a rate the time between two frames.
 */
export type Target = { readonly kind: 'latency'; readonly ms: number } | { readonly kind: 'rate'; readonly ms: number };

const LATENCY = /^(\d+(?:\.\d+)?)\s*ms$/;
const RATE = /^(\d+(?:\.\d+)?)\s*fps$/;

/** `25ms` or `20fps`; undefined for anything else. */
export function parseTarget(text: string): Target | undefined {
  const latency = Number(LATENCY.exec(text)?.[1]);
  if (latency > 0) return { kind: 'latency', ms: latency };
  const rate = Number(RATE.exec(text)?.[1]);
  return rate > 0 ? { kind: 'rate', ms: 1e3 / rate } : undefined;
}

/** As it is written: `25ms`, `20fps`. */
export function targetText({ kind, ms }: Target): string {
  return kind === 'latency' ? `${trim(ms)}ms` : `${trim(1e3 / ms)}fps`;
}

function trim(value: number): string {
  return String(Number(value.toFixed(3)));
}
