import { OccupancyDecoder } from './client/occupancy-decoder.js';
import { count, degrees, duration, metres } from './format.js';
import { boxColor } from './overlay.js';
import { heightSpanM, nearColor, rampGradient } from './space-colors.js';

/** Without anything new for so long, what is drawn is called old. */
const OLD_MS = 2_000;

/** Occupied space of one stereo stream: the scene, and in words what it shows and what it lacks. */
export class SpacePanel {
  #element;
  #parts;
  #decoder = new OccupancyDecoder();
  #scene;
  #stereo;
  #message;
  #receivedAtMs;
  #missing;
  #problem;
  #isPaused = false;
  #has3D = true;
  #isBehind = false;
  #colors = 'height';

  /** @param {HTMLElement} element the section of the card; shown with the first sign of occupied space */
  constructor(element) {
    this.#element = element;
    const names = ['space-canvas', 'space-notice', 'space-ramp', 'space-low', 'space-high', 'nearest', 'level', 'space-age', 'cells', 'computed'];
    this.#parts = Object.fromEntries(names.map((name) => [name, element.querySelector(`.${name}`)]));
    for (const button of element.querySelectorAll('[data-view]')) button.addEventListener('click', () => this.#scene?.look(button.dataset.view));
    for (const button of element.querySelectorAll('[data-colors]')) button.addEventListener('click', () => this.#colorBy(button.dataset.colors));
  }

  set isPaused(value) {
    this.#isPaused = value;
    if (!value && this.#message) this.#draw(this.#message);
  }

  /** What the stream sees with, from the greeting. */
  async about(stereo) {
    this.#stereo = stereo;
    await this.#show();
    this.#setGrid(stereo.grid);
  }

  /** Deltas hold for the connection that they came over: a new one begins with a keyframe. */
  restart() {
    this.#decoder.reset();
  }

  /** Why a frame tells nothing new, or undefined where it tells something; and where its boxes are. */
  frame(frame) {
    const { occupancy } = frame;
    if (occupancy === undefined && this.#element.hidden) return;
    this.#missing = occupancy?.code === undefined ? undefined : occupancy;
    if (occupancy?.level !== undefined) setText(this.#parts.computed, `${Math.round(100 * occupancy.computed_share)}%`);
    if (!this.#isPaused && this.#stereo) this.#scene?.setBoxes(solidBoxes(frame, this.#stereo.rig));
    void this.#show();
  }

  occupancy(message) {
    try {
      this.#problem = this.#decoder.follow(message) ? undefined : 'An update was lost. Waiting for the next whole one.';
    } catch (error) {
      this.#problem = `An update could not be read: ${error.message}`;
    }
    if (this.#problem) this.#isBehind = true;
    this.#message = message;
    this.#receivedAtMs = performance.now();
    void this.#show();
    if (!this.#isPaused && this.#decoder.isReady) this.#draw(message);
    else this.#isBehind = true;
  }

  /** What changes with time. */
  tick() {
    if (this.#element.hidden) return;
    const ageMs = this.#receivedAtMs === undefined ? undefined : performance.now() - this.#receivedAtMs;
    setText(this.#parts['space-age'], ageMs === undefined ? '–' : duration(ageMs));
    this.#parts['space-age'].dataset.tone = ageMs === undefined || ageMs < OLD_MS ? 'calm' : 'warn';
    this.#element.classList.toggle('old', ageMs !== undefined && ageMs > OLD_MS);
    this.#drawNotice(ageMs);
  }

  async #show() {
    if (!this.#element.hidden) return this.#loading;
    this.#element.hidden = false;
    this.#element.closest('.card').classList.add('stereo');
    this.#loading = this.#load();
    return this.#loading;
  }
  #loading;

  /** Two megabytes that a page without two cameras never asks for. */
  async #load() {
    try {
      const { SpaceScene } = await import('./space-scene.js');
      this.#scene = new SpaceScene(this.#parts['space-canvas']);
      if (this.#stereo) this.#setGrid(this.#stereo.grid);
      this.#isBehind = true;
      if (this.#message && this.#decoder.isReady) this.#draw(this.#message);
    } catch {
      this.#has3D = false;
      this.#parts['space-canvas'].hidden = true;
    }
    this.tick();
  }

  #setGrid(grid) {
    this.#scene?.setGrid(grid);
    this.#scene?.setRig(this.#stereo?.rig);
    this.#drawLegend(grid);
    this.#scene?.voxels.colorBy(this.#colors, grid.range_m);
  }

  #draw({ grid, level, nearest, seq }) {
    this.#drawReadings(grid, level, nearest);
    const scene = this.#scene;
    if (!scene) return;
    this.#setGrid(grid);
    const isNew = scene.voxels.setGrid(grid, level);
    // Who was paused or lost an update has missed blocks: all are looked at.
    const blocks = isNew || this.#isBehind ? Array.from({ length: 512 }, (_, block) => block) : this.#decoder.changedBlocks;
    this.#isBehind = false;
    for (const block of blocks) scene.voxels.setBlock(block, this.#decoder.cellsIn(block));
    scene.voxels.commit();
    scene.setNearest(nearest, grid.range_m / level);
    scene.invalidate();
    setText(this.#parts.cells, count(scene.voxels.count));
    this.#element.dataset.cells = scene.voxels.count;
    this.#element.dataset.seq = seq;
  }

  #drawReadings({ range_m: rangeM }, level, nearest) {
    const { nearest: line, level: levelLine } = this.#parts;
    const obstacle = nearest && nearestOf(nearest);
    setText(line, obstacle ? `${metres(obstacle.distanceM)} ${direction(obstacle.azimuthDeg)}` : nearest ? `none within ${metres(rangeM)}` : '–');
    line.style.color = obstacle ? nearColor(obstacle.distanceM, rangeM) : '';
    setText(levelLine, `${level} cells of ${metres(rangeM / level)}`);
  }

  #colorBy(name) {
    this.#colors = name;
    for (const button of this.#element.querySelectorAll('[data-colors]')) button.setAttribute('aria-pressed', String(button.dataset.colors === name));
    const grid = (this.#message ?? this.#stereo)?.grid;
    if (grid === undefined) return;
    this.#drawLegend(grid);
    this.#scene?.voxels.colorBy(name, grid.range_m);
    this.#scene?.invalidate();
  }

  #drawLegend({ range_m: rangeM, bottom_m: bottomM }) {
    const { 'space-ramp': ramp, 'space-low': low, 'space-high': high } = this.#parts;
    ramp.style.background = rampGradient(this.#colors);
    setText(low, this.#colors === 'height' ? `${metres(bottomM)} below` : '0 m');
    setText(high, this.#colors === 'height' ? `${metres(heightSpanM(rangeM) - bottomM)} above the camera` : `${metres(rangeM)} away`);
  }

  #drawNotice(ageMs) {
    const notice = this.#parts['space-notice'];
    const [text, code = ''] = this.#noticeText(ageMs);
    notice.hidden = text === undefined;
    if (notice.hidden || notice.dataset.text === `${text}\n${code}`) return;
    notice.dataset.text = `${text}\n${code}`;
    notice.dataset.state = this.#missing ? 'failed' : 'connecting';
    notice.replaceChildren(text, ...(code ? [Object.assign(document.createElement('span'), { className: 'code', textContent: code })] : []));
  }

  #noticeText(ageMs) {
    const since = ageMs === undefined ? 'Nothing is known of the space yet' : `What is drawn is ${duration(ageMs)} old`;
    if (this.#missing) return [`${this.#missing.message} ${since}.`, this.#missing.code];
    if (this.#problem) return [this.#problem];
    if (ageMs === undefined) return ['Waiting for the first pair of pictures'];
    if (ageMs > OLD_MS) return [`Nothing new. ${since}.`];
    if (!this.#has3D) return ['This browser draws no 3D: WebGL 2 is missing or off. Distances are below.'];
    return this.#scene?.voxels.count === 0 ? [`Nothing solid within ${metres(this.#message.grid.range_m)}`] : [undefined];
  }
}

/** The nearest of all sectors, and the middle of its sector. */
function nearestOf({ from_deg: fromDeg, to_deg: toDeg, distance_m: distances }) {
  let least;
  distances.forEach((distanceM, i) => {
    if (distanceM !== null && (least === undefined || distanceM < least.distanceM)) least = { distanceM, azimuthDeg: fromDeg + ((toDeg - fromDeg) * (i + 0.5)) / distances.length };
  });
  return least;
}

function direction(azimuthDeg) {
  if (Math.abs(azimuthDeg) < 3) return 'ahead';
  return `${degrees(Math.abs(azimuthDeg))} ${azimuthDeg < 0 ? 'left' : 'right'}`;
}

/** Where the boxes that something solid is in lie in space: on the ray through their middles, as far and as large as was found. */
function solidBoxes({ detections, image }, rig) {
  const [scaleX, scaleY] = [image.width / rig.width, image.height / rig.height];
  const centre = [(rig.centre[0] + 0.5) * scaleX, (rig.centre[1] + 0.5) * scaleY];
  return detections
    .filter(({ distance_m: distanceM, extent_m: extentM }) => distanceM !== undefined && extentM !== undefined)
    .map((detection) => {
      const { bbox: [x, y, width, height], distance_m: distanceM, extent_m: size } = detection;
      const z = distanceM + size[2] / 2;
      return { middle: [((x + width / 2 - centre[0]) / (rig.focal_px * scaleX)) * z, ((y + height / 2 - centre[1]) / (rig.focal_y_px * scaleY)) * z, z], size, color: boxColor(detection) };
    });
}

function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}
