import uPlot from './uPlot.esm.js';
import { stageColor } from './colors.js';

const SPAN_S = 30;
const BIN_S = 0.25;
const BINS = SPAN_S / BIN_S;
/** Between frames that come more slowly than the bins, the last one stands for so long: 2 seconds. A longer gap is shown as one. */
const BRIDGED_BINS = 8;
const GROUND = '#14181e';

/**
 * Stage times of the last 30 seconds, stacked: for each stage its wait (hatched) and its work (plain), as the mean of a quarter of a second,
 * and the slowest frame of each as a line.
 */
export class StageChart {
  #container;
  #plot;
  #stages = [];
  #bins = new Map();

  constructor(container) {
    this.#container = container;
    new ResizeObserver(() => this.#plot?.setSize(this.#size())).observe(container);
  }

  add(frame) {
    const stages = frame.timings.map(({ stage }) => stage);
    if (stages.join() !== this.#stages.join()) this.#restart(stages);
    const index = Math.floor(performance.now() / 1000 / BIN_S);
    let bin = this.#bins.get(index);
    if (!bin) {
      bin = { frames: 0, wait: stages.map(() => 0), work: stages.map(() => 0), slowest: 0 };
      this.#bins.set(index, bin);
      for (const old of this.#bins.keys()) if (old < index - BINS) this.#bins.delete(old);
    }
    bin.frames += 1;
    bin.slowest = Math.max(bin.slowest, frame.end_to_end_ms);
    frame.timings.forEach(({ queue_ms, service_ms }, i) => {
      bin.wait[i] += queue_ms;
      bin.work[i] += service_ms;
    });
  }

  draw() {
    if (this.#plot && this.#container.clientWidth > 0) this.#plot.setData(this.#data());
  }

  #restart(stages) {
    this.#stages = stages;
    this.#bins.clear();
    this.#plot?.destroy();
    this.#plot = new uPlot(this.#options(), this.#data(), this.#container);
  }

  #size() {
    return { width: this.#container.clientWidth, height: this.#container.clientHeight };
  }

  /** Columns from the top of the stack to its ground: each is filled down to zero and the next one covers its lower part. */
  #data() {
    const now = Math.floor(performance.now() / 1000 / BIN_S);
    const indices = Array.from({ length: BINS }, (_, i) => now - BINS + i);
    const layers = this.#stages.flatMap((_, i) => [(bin) => bin.wait[i], (bin) => bin.work[i]]);
    const columns = layers.map(() => []);
    const slowest = [];
    for (const bin of bridged(indices.map((index) => this.#bins.get(index)))) {
      let sum = 0;
      layers.forEach((layer, i) => {
        if (bin) sum += layer(bin) / bin.frames;
        columns[i].push(bin ? sum : null);
      });
      slowest.push(bin ? bin.slowest : null);
    }
    return [indices.map((index) => (index - now) * BIN_S), ...columns.reverse(), slowest];
  }

  #options() {
    const axis = { stroke: '#93a0b0', font: '12px system-ui, sans-serif', grid: { stroke: '#222932', width: 1 }, ticks: { show: false } };
    const layers = this.#stages.flatMap((_, i) => [{ color: stageColor(i), isWait: true }, { color: stageColor(i), isWait: false }]).reverse();
    return {
      ...this.#size(),
      legend: { show: false },
      cursor: { show: false },
      padding: [6, 16, 0, 0],
      scales: { x: { time: false, range: [-SPAN_S, 0] }, y: { range: (_, __, max) => [0, niceCeiling(max ?? 1)] } },
      axes: [
        { ...axis, size: 24, gap: 3, space: 64, incrs: [5, 10, 15], values: (_, ticks) => ticks.map((tick) => (tick === 0 ? 'now' : `${tick} s`)) },
        { ...axis, size: 42, gap: 4, space: 28 },
      ],
      series: [{}, ...layers.map(({ color, isWait }) => ({ stroke: color, width: isWait ? 0 : 1, points: { show: false }, fill: isWait ? (plot) => hatch(plot.ctx, color) : color })), { stroke: 'rgb(223 230 238 / 75%)', width: 1.5, points: { show: false } }],
    };
  }
}

/** Short gaps take the bin before them. */
function bridged(bins) {
  const result = [...bins];
  let last = -1;
  bins.forEach((bin, i) => {
    if (!bin) return;
    if (last >= 0 && i - last <= BRIDGED_BINS) result.fill(bins[last], last + 1, i);
    last = i;
  });
  return result;
}

/** A round number with a little room above the largest value. */
function niceCeiling(max) {
  const wanted = Math.max(1, max * 1.08);
  const power = 10 ** Math.floor(Math.log10(wanted));
  return power * [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * power >= wanted);
}

const hatches = new Map();

/** Diagonal lines on the colour of the card: opaque, for it covers the layers that it stands on. */
function hatch(context, color) {
  const size = Math.max(6, Math.round(6 * devicePixelRatio));
  const key = `${color} ${size}`;
  if (!hatches.has(key)) {
    const tile = new OffscreenCanvas(size, size);
    const pen = tile.getContext('2d');
    pen.fillStyle = GROUND;
    pen.fillRect(0, 0, size, size);
    pen.globalAlpha = 0.16;
    pen.fillStyle = color;
    pen.fillRect(0, 0, size, size);
    pen.globalAlpha = 0.9;
    pen.strokeStyle = color;
    pen.lineWidth = size / 5;
    for (const shift of [-size, 0, size]) {
      pen.beginPath();
      pen.moveTo(shift - 1, size + 1);
      pen.lineTo(shift + size + 1, -1);
      pen.stroke();
    }
    hatches.set(key, tile);
  }
  return context.createPattern(hatches.get(key), 'repeat');
}
