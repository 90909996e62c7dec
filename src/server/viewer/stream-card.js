import { stageColor } from './colors.js';
import { count, duration, guardSummary, milliseconds, sparedShare, summary, words } from './format.js';
import { Screen } from './screen.js';
import { SpacePanel } from './space-panel.js';
import { StageChart } from './stage-chart.js';

const STATE_TEXT = {
  connecting: 'Connecting',
  running: 'Running',
  stalled: 'Stalled',
  frozen: 'Frozen picture',
  reconnecting: 'Reconnecting',
  ended: 'Ended',
  failed: 'Failed',
};
/** States in which the last picture is no longer what happens. */
const STALE = new Set(['stalled', 'frozen', 'reconnecting', 'failed']);
/** Clocks that run now: with the others (files, datasets) a capture time is a time long ago, and the age counts from the result. */
const LIVE_CLOCKS = new Set(['rtcp_sr', 'rtp_arrival', 'host']);
/** A capture time so far from the results is a wrong clock and no latency. */
const WRONG_CLOCK_MS = 60_000;
const NEEDED = { p50_ms: 2, p99_ms: 662 };

/** One stream on the page. */
export class StreamCard {
  element;
  #parts;
  #screen;
  #chart;
  #space;
  #event;
  #eventAtMs = 0;
  #shown;
  #latest;
  #stats;
  #lost = new Map();
  #clockOffsetMs = 0;
  #isPaused = false;

  constructor(template, name) {
    this.element = template.content.firstElementChild.cloneNode(true);
    this.element.dataset.stream = name;
    this.#parts = partsOf(this.element);
    this.#parts.name.textContent = name;
    this.#parts.screen.setAttribute('aria-label', `Picture of ${name}`);
    this.#screen = new Screen(this.#parts.screen, (frame) => this.#onShown(frame));
    this.#chart = new StageChart(this.#parts.chart);
    this.#space = new SpacePanel(this.#parts.space);
    this.#parts.enlarge.addEventListener('click', () => {
      const isEnlarged = this.element.classList.toggle('enlarged');
      this.#parts.enlarge.setAttribute('aria-pressed', String(isEnlarged));
    });
    this.event({ state: 'connecting', message: 'Waiting for the first frame' });
    this.#drawStats();
  }

  about({ source_kind, location, model, occupancy }) {
    if (occupancy) void this.#space.about(occupancy);
    this.#parts.about.textContent = [model, source_kind, location].filter(Boolean).join(' · ');
    this.#parts.about.title = this.#parts.about.textContent;
  }

  /** Server time minus ours, milliseconds: ages are of the server's clock. */
  set clockOffsetMs(value) {
    this.#clockOffsetMs = value;
  }

  set showBoxes(value) {
    this.#screen.showBoxes = value;
  }

  set isPaused(value) {
    this.#isPaused = value;
    this.#space.isPaused = value;
  }

  event(event) {
    this.#event = event;
    this.#eventAtMs = performance.now();
    this.#drawState();
  }

  frame(frame) {
    this.#latest = frame;
    this.#chart.add(frame);
    if (!this.#isPaused) this.#screen.frame(frame);
    this.#space.frame(frame);
  }

  occupancy(message) {
    this.#space.occupancy(message);
  }

  picture(picture) {
    if (!this.#isPaused) void this.#screen.picture(picture);
  }

  stats(stats) {
    this.#stats = stats;
    this.#drawStats();
  }

  dropped({ counts }) {
    for (const [reason, number] of Object.entries(counts)) {
      if (reason.startsWith('client:')) this.#lost.set(reason, (this.#lost.get(reason) ?? 0) + number);
    }
  }

  /** Counters begin again with a new connection: the server may be a new one. */
  restart() {
    this.#lost.clear();
    this.#space.restart();
  }

  /** What changes with time: ages, countdowns, the chart. */
  tick() {
    this.#drawReadings();
    this.#drawState();
    this.#space.tick();
    if (!this.#isPaused) this.#chart.draw();
  }

  /** What was found belongs to the picture, and changes with it. */
  #onShown(frame) {
    this.#shown = frame;
    const text = summary(frame.detections) ?? 'nothing found';
    setText(this.#parts.found, text);
    this.#parts.found.title = text;
    this.#drawGuard(frame);
    this.#drawPoint(frame);
    this.#drawKey(frame);
    this.element.dataset.seq = frame.seq;
  }

  /** Only a stream with a guard has a line for it. */
  #drawGuard(frame) {
    const { 'guard-line': line, guard } = this.#parts;
    line.hidden = frame.guard === undefined;
    if (line.hidden) return;
    setText(guard, guardSummary(frame));
    const isAttacked = frame.patches?.some(({ verdict }) => verdict === 'adversarial') ?? false;
    guard.dataset.tone = isAttacked ? 'attack' : frame.guard.state;
  }

  /** Only a governed stream has one; a frame that wasn't worked on keeps that of the one before. */
  #drawPoint({ operating_point: operatingPoint }) {
    if (operatingPoint === undefined) return;
    const { 'point-line': line, point } = this.#parts;
    line.hidden = false;
    setText(point, operatingPoint.name);
  }

  /** What the lines of boxes mean, for a stream that has more than one kind. */
  #drawKey({ redundancy, detections, volumes }) {
    const { 'known-line': line, 'kept-key': kept, 'track-key': track, 'volume-key': volume } = this.#parts;
    if (volumes && volume.hidden) volume.hidden = line.hidden = false;
    if (redundancy && kept.hidden) kept.hidden = line.hidden = false;
    if (track.hidden && detections.some(({ track_state: state }) => state === 'confirmed')) track.hidden = line.hidden = false;
  }

  /** Only a stream with a redundancy gate has such a number. */
  #drawSpared({ redundancy }) {
    if (redundancy === undefined) return;
    const { 'spared-line': line, spared } = this.#parts;
    line.hidden = false;
    setUnit(spared, sparedShare(redundancy), '%');
  }

  #drawReadings() {
    const { latency, age, found, screen } = this.#parts;
    const frame = this.#isPaused ? this.#shown : (this.#shown ?? this.#latest);
    if (!frame) return;
    setUnit(latency, milliseconds(frame.end_to_end_ms), 'ms');
    const { ageMs, note } = ageOf(frame.time, Date.now() + this.#clockOffsetMs);
    const [number, unit] = duration(ageMs).split(' ');
    setUnit(age, number, unit);
    age.title = note;
    age.dataset.tone = this.#isOver() || ageMs < 1500 ? 'calm' : ageMs < 5000 ? 'warn' : 'bad';
    screen.setAttribute('aria-label', `Picture of ${frame.stream}: ${found.textContent}`);
  }

  #isOver() {
    return this.#event.state === 'ended';
  }

  #drawState() {
    const { badge, notice } = this.#parts;
    const { state, code, message } = this.#event;
    badge.dataset.state = state;
    setText(badge, STATE_TEXT[state] ?? state);
    this.element.classList.toggle('stale', STALE.has(state));
    notice.hidden = state === 'running' || (state === 'connecting' && this.#latest !== undefined);
    if (notice.hidden) return;
    notice.dataset.state = state;
    const retry = this.#retryText();
    const lines = [message, [code, retry].filter(Boolean).join(' · ')];
    if (notice.dataset.text === lines.join('\n')) return;
    notice.dataset.text = lines.join('\n');
    notice.replaceChildren(lines[0], ...(lines[1] ? [element('span', { className: 'code', textContent: lines[1] })] : []));
  }

  #retryText() {
    const { attempt, retry_in_ms: retryInMs } = this.#event;
    if (retryInMs === undefined) return '';
    const leftMs = retryInMs - (performance.now() - this.#eventAtMs);
    const when = leftMs > 0 ? `next try in ${Math.ceil(leftMs / 1000)} s` : 'trying now';
    return attempt === undefined ? when : `attempt ${attempt}, ${when}`;
  }

  #drawStats() {
    const { fps, times, drops, 'drop-share': share } = this.#parts;
    const stats = this.#stats;
    if (!stats) {
      drops.replaceChildren(element('li', { textContent: 'no numbers yet' }));
      return;
    }
    this.#drawSpared(stats);
    setUnit(fps, stats.fps.toFixed(stats.fps < 100 ? 1 : 0), 'fps');
    times.tBodies[0].replaceChildren(
      ...stats.stages.map(({ stage, queue, service }, i) => row(stage, stageColor(this.#stageIndex(stage, i)), [queue, service])),
      row('End to end', undefined, [undefined, stats.end_to_end], 'total'),
    );
    const all = [
      ...stats.dropped.filter((drop) => drop.count > 0).map(({ stage, reason, count: number }) => [stage, reason, number]),
      ...[...this.#lost].map(([reason, number]) => ['this page', reason.slice('client:'.length), number]),
    ];
    const total = stats.dropped.reduce((sum, drop) => sum + drop.count, 0);
    share.textContent = total > 0 && stats.received > 0 ? `${count(total)} of ${count(stats.received)}, ${((100 * total) / stats.received).toFixed(1)} %` : '';
    drops.replaceChildren(
      ...(all.length > 0
        ? all.map(([place, reason, number]) => {
            const item = element('li', { textContent: `${place}: ${words(reason)}` });
            item.dataset.count = number;
            item.append(element('b', { textContent: count(number) }));
            return item;
          })
        : [element('li', { textContent: stats.received > 0 ? `none of ${count(stats.received)}` : 'none' })]),
    );
  }

  /** Colours go by the order in the frames, which the chart stacks by. */
  #stageIndex(stage, fallback) {
    const index = this.#latest?.timings.findIndex((timing) => timing.stage === stage) ?? -1;
    return index >= 0 ? index : fallback;
  }
}

/**
 * Since the picture was taken, where a clock that runs now says when; otherwise since its results were there.
 * A camera whose clock is minutes off says nothing useful: then, too, it is since the results.
 */
function ageOf({ capture, capture_clock: clock, emitted }, nowMs) {
  const sinceResultsMs = nowMs - Date.parse(emitted);
  if (!capture || !LIVE_CLOCKS.has(clock)) return { ageMs: sinceResultsMs, note: 'since its results were there' };
  const aheadMs = Date.parse(emitted) - Date.parse(capture);
  if (aheadMs > WRONG_CLOCK_MS || aheadMs < -WRONG_CLOCK_MS) return { ageMs: sinceResultsMs, note: `since its results were there; the camera's clock is off by ${duration(Math.abs(aheadMs))}` };
  return { ageMs: sinceResultsMs + aheadMs, note: 'since it was taken' };
}

function row(name, color, summaries, className = '') {
  const head = element('th', { scope: 'row' });
  if (color) {
    const swatch = element('span', { className: 'swatch' });
    swatch.style.setProperty('--tone', color);
    head.append(swatch);
  }
  head.append(name);
  const line = element('tr', { className });
  line.append(head, ...summaries.flatMap((times) => ['p50_ms', 'p99_ms'].map((key) => cell(times, key))));
  return line;
}

/** A percentile of too few samples would be a false number. */
function cell(times, key) {
  if (!times) return element('td', {});
  const value = times[key];
  if (value !== null) return element('td', { textContent: milliseconds(value), title: `n = ${count(times.n)}` });
  if (times.n === 0) return element('td', { className: 'few', textContent: '–' });
  return element('td', { className: 'few', textContent: 'n too small', title: `needs ${NEEDED[key]} frames, has ${count(times.n)}` });
}

function setUnit(target, number, unit) {
  if (target.dataset.text === `${number} ${unit}`) return;
  target.dataset.text = `${number} ${unit}`;
  target.replaceChildren(number, element('small', { textContent: unit }));
}

function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

function element(tag, properties) {
  return Object.assign(document.createElement(tag), properties);
}

function partsOf(card) {
  const names = ['name', 'badge', 'about', 'enlarge', 'screen', 'notice', 'latency', 'age', 'fps', 'found', 'chart', 'times', 'drops', 'drop-share', 'guard-line', 'guard', 'point-line', 'point', 'spared-line', 'spared', 'known-line', 'kept-key', 'track-key', 'volume-key', 'space'];
  return Object.fromEntries(names.map((name) => [name, card.querySelector(`.${name}`)]));
}
