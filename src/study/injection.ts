import { AppError } from '../core/errors.js';
import type { Perspective } from './perspectives.js';

/**
 * How injected delays are spread, milliseconds. `gauss`: standard deviation `ms` around twice as much, cut at 0 (2.3 % are). `uniform`: 0
 * to `ms`. `fixed`: always `ms`. `spike`: `ms` for a share of the frames, else nothing.
 */
export type DelayShape =
  | { readonly shape: 'gauss' | 'uniform' | 'fixed'; readonly ms: number }
  | { readonly shape: 'spike'; readonly ms: number; readonly share: number };

/** How pictures are changed: many small copies of themselves, noise, a tenth of their brightness, or a grey plane. */
export type ContentChange = 'mosaic' | 'noise' | 'dark' | 'blank';

/** A disturbance that is put into a running pipeline on purpose. */
export type Injection =
  /** `place` is `source`, `deliver`, `model` (the first detector) or the id of a stage. */
  | { readonly kind: 'delay'; readonly place: string; readonly delay: DelayShape }
  /** The main thread allocates for `blockMs` out of every `everyMs`, on average. */
  | { readonly kind: 'gc'; readonly blockMs: number; readonly everyMs: number }
  /** The process runs for `share` of the time only (a duty cycle). */
  | { readonly kind: 'cpu'; readonly share: number }
  /** So many processes compete for the cores. */
  | { readonly kind: 'load'; readonly processes: number }
  /** A share of the packets between the camera and us is lost and has to be sent again. */
  | { readonly kind: 'link'; readonly lossShare: number }
  /** A share of the pictures is changed. `tiles`: of a mosaic, along each side. */
  | { readonly kind: 'content'; readonly change: ContentChange; readonly tiles: number; readonly share: number };

const GRAMMAR = 'One of decode:gauss:5ms, <stage>:uniform:5ms, deliver:spike:50ms:2%, model:fixed:3ms, gc:storm, cpu:50%, cpu:load:2, link:loss:2%, content:mosaic:4:50%.';
const DEFAULT_BLOCK_MS = 25;
const GC_BLOCKS_EVERY = 6;
const DEFAULT_TILES = 4;
const DEFAULT_CONTENT_SHARE = 0.5;

/**
 * Reads `PLACE:WHAT:HOW-MUCH`.
 *
 * @throws AppError `ERR_USAGE` with what was expected where it stands
 */
export function parseInjection(text: string): Injection {
  const [place = '', ...rest] = text.split(':');
  switch (place) {
    case 'gc':
      return gcStorm(text, rest);
    case 'cpu':
      return cpu(text, rest);
    case 'link':
      return link(text, rest);
    case 'content':
      return content(text, rest);
    default:
      if (!/^[A-Za-z0-9][\w.-]*$/.test(place)) throw fault(text, `expected a place before the first colon, found '${place}'`);
      return { kind: 'delay', place: place === 'decode' ? 'source' : place, delay: delayShape(text, rest) };
  }
}

/** Where a disturbance belongs, for the proof that it is found there: seen from which perspective, and in which stage where it has one. */
export function expectedOf(injection: Injection, detector: string): { readonly perspective: Perspective; readonly stage: string | undefined } {
  switch (injection.kind) {
    case 'delay':
      if (injection.place === 'source') return { perspective: 'io', stage: 'source' };
      if (injection.place === 'deliver') return { perspective: 'end-to-end', stage: 'deliver' };
      return { perspective: 'model', stage: injection.place === 'model' ? detector : injection.place };
    case 'gc':
      return { perspective: 'runtime', stage: undefined };
    case 'cpu':
    case 'load':
      return { perspective: 'hardware', stage: undefined };
    case 'link':
      return { perspective: 'io', stage: 'transport' };
    case 'content':
      return { perspective: 'data', stage: detector };
  }
}

function delayShape(text: string, [shape = '', amount = '', share, ...more]: readonly string[]): DelayShape {
  refuseMore(text, more);
  if (shape !== 'gauss' && shape !== 'uniform' && shape !== 'fixed' && shape !== 'spike') {
    throw fault(text, `expected gauss, uniform, fixed or spike after the place, found '${shape}'`);
  }
  const ms = milliseconds(text, amount);
  if (shape === 'spike') return { shape, ms, share: percentage(text, share ?? '') };
  if (share !== undefined) throw fault(text, `only a spike takes a share, found '${share}'`);
  return { shape, ms };
}

function gcStorm(text: string, [word = '', block, ...more]: readonly string[]): Injection {
  refuseMore(text, more);
  if (word !== 'storm') throw fault(text, `expected gc:storm, found '${word}'`);
  const blockMs = block === undefined ? DEFAULT_BLOCK_MS : milliseconds(text, block);
  return { kind: 'gc', blockMs, everyMs: blockMs * GC_BLOCKS_EVERY };
}

function cpu(text: string, [amount = '', count, ...more]: readonly string[]): Injection {
  refuseMore(text, more);
  if (amount === 'load') {
    const processes = Number(count ?? '');
    if (!/^[1-9]\d?$/.test(count ?? '')) throw fault(text, `expected a number of processes from 1 to 99 after load, found '${count ?? ''}'`);
    return { kind: 'load', processes };
  }
  if (count !== undefined) refuseMore(text, [count]);
  const share = percentage(text, amount);
  if (share < 0.05) throw fault(text, `expected 5 % or more, found '${amount}': less can't be told from a stopped machine`);
  return { kind: 'cpu', share };
}

function link(text: string, [word = '', amount = '', ...more]: readonly string[]): Injection {
  refuseMore(text, more);
  if (word !== 'loss') throw fault(text, `expected link:loss, found '${word}'`);
  return { kind: 'link', lossShare: percentage(text, amount) };
}

function content(text: string, words: readonly string[]): Injection {
  const [change = '', ...rest] = words;
  if (change !== 'mosaic' && change !== 'noise' && change !== 'dark' && change !== 'blank') throw fault(text, `expected mosaic, noise, dark or blank after content, found '${change}'`);
  const tiles = change === 'mosaic' ? rest.shift() : undefined;
  const [share, ...more] = rest;
  refuseMore(text, more);
  if (tiles !== undefined && !/^([2-9]|1[0-6])$/.test(tiles)) throw fault(text, `expected 2 to 16 tiles a side, found '${tiles}'`);
  return { kind: 'content', change, tiles: Number(tiles ?? DEFAULT_TILES), share: share === undefined ? DEFAULT_CONTENT_SHARE : percentage(text, share) };
}

function milliseconds(text: string, amount: string): number {
  const match = /^(\d+(?:\.\d+)?)(us|ms|s)$/.exec(amount);
  const unit = { us: 1e-3, ms: 1, s: 1e3 }[match?.[2] ?? ''];
  const ms = Number(match?.[1]) * (unit ?? NaN);
  if (!(ms > 0 && ms <= 10_000)) throw fault(text, `expected a time with its unit, such as 5ms, up to 10s, found '${amount}'`);
  return ms;
}

/** As a share, 0 to 1. */
function percentage(text: string, amount: string): number {
  const match = /^(\d+(?:\.\d+)?)%$/.exec(amount);
  const share = Number(match?.[1]) / 100;
  if (!(share > 0 && share <= 1)) throw fault(text, `expected a percentage over 0 up to 100, such as 50%, found '${amount}'`);
  return share;
}

function refuseMore(text: string, more: readonly string[]): void {
  if (more.length > 0) throw fault(text, `expected nothing more, found '${more.join(':')}'`);
}

function fault(text: string, what: string): AppError {
  return new AppError('ERR_USAGE', `Injection '${text}': ${what}`, { fix: GRAMMAR });
}
