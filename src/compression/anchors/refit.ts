import { sigmoid } from '../../detector/logit.js';
import { seededIntegers } from '../../evaluation/random.js';
import type { AnchorModel, ScaleWeights } from './anchor-head.js';
import type { ScaleTargets } from './refit-targets.js';

/** How a last layer is fitted. */
export interface RefitOptions {
  readonly steps: number;
  readonly learningRate: number;
  /** Pull towards the full head's numbers. */
  readonly pull: number;
  /** What boxes count beside objectness. */
  readonly boxFactor: number;
  /** What classes count beside objectness. */
  readonly classFactor: number;
  readonly seed: number;
}

export const REFIT_DEFAULTS: RefitOptions = { steps: 1500, learningRate: 2e-3, pull: 1e-4, boxFactor: 1, classFactor: 1, seed: 1 };

/** Targets of a step with an object, and rows of a step whatever is there. */
const OBJECTS_PER_STEP = 192;
const ROWS_PER_STEP = 384;
/** Objectness from which on a target's box and classes are worth learning. */
const OBJECT_FROM = 0.03;
/** Beyond an error of a quarter of a box it no longer counts by its square: such a box is lost anyway. */
const HUBER = 0.25;

/** Adam (Kingma and Ba 2015) with the constants of the paper. */
const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

/** Fits the kept filters of one scale to their targets, from the full head's numbers on. Same seed, same result. */
export function refitScale({ layers, columns, classCount }: AnchorModel, targets: ScaleTargets, options: Partial<RefitOptions> = {}): ScaleWeights {
  const settings = { ...REFIT_DEFAULTS, ...options };
  const layer = layers[targets.scaleIndex]!;
  const size = targets.featureCount;
  const parameters = new Float32Array(targets.kept.length * columns * (size + 1));
  targets.kept.forEach(({ inScale }, i) => {
    for (let column = 0; column < columns; column += 1) {
      const to = (i * columns + column) * (size + 1);
      const from = inScale * columns + column;
      parameters.set(layer.weights.subarray(from * size, (from + 1) * size), to);
      parameters[to + size] = layer.bias[from]!;
    }
  });
  fit(parameters, targets, columns, classCount, settings);
  return split(parameters, targets.kept.length * columns, size);
}

function split(parameters: Float32Array, filters: number, size: number): ScaleWeights {
  const weights = new Float32Array(filters * size);
  const bias = new Float32Array(filters);
  for (let filter = 0; filter < filters; filter += 1) {
    const from = filter * (size + 1);
    weights.set(parameters.subarray(from, from + size), filter * size);
    bias[filter] = parameters[from + size]!;
  }
  return { weights, bias };
}

function fit(parameters: Float32Array, targets: ScaleTargets, columns: number, classCount: number, { steps, learningRate, pull, boxFactor, classFactor, seed }: RefitOptions): void {
  const below = seededIntegers(seed);
  const start = parameters.slice();
  const gradient = new Float32Array(parameters.length);
  const mean = new Float32Array(parameters.length);
  const square = new Float32Array(parameters.length);
  const sampler = new Sampler(targets);
  const step = new GradientStep(targets, parameters, gradient, columns, classCount);
  for (let i = 1; i <= steps; i += 1) {
    gradient.fill(0);
    for (let n = 0; n < OBJECTS_PER_STEP && sampler.objects.length > 0; n += 1) step.object(sampler.objects[below(sampler.objects.length)]!, 1 / OBJECTS_PER_STEP, boxFactor, classFactor);
    for (let n = 0; n < ROWS_PER_STEP; n += 1) step.objectness(sampler.row(below(1 << 30) / (1 << 30)), 1 / ROWS_PER_STEP);
    // Cosine decay; no warm-up needed: the start is a trained layer.
    const rate = (learningRate * (1 + Math.cos((Math.PI * i) / steps))) / 2;
    const correction1 = 1 - BETA1 ** i;
    const correction2 = 1 - BETA2 ** i;
    for (let p = 0; p < parameters.length; p += 1) {
      const slope = gradient[p]! + pull * (parameters[p]! - start[p]!);
      mean[p] = BETA1 * mean[p]! + (1 - BETA1) * slope;
      square[p] = BETA2 * square[p]! + (1 - BETA2) * slope * slope;
      parameters[p]! -= (rate * mean[p]!) / correction1 / (Math.sqrt(square[p]! / correction2) + EPSILON);
    }
  }
}

/** Draws targets with objects evenly, rows by how many cells they stand for. */
class Sampler {
  readonly objects: Int32Array;
  readonly #sums: Float64Array;

  constructor({ rows, weight, objectness }: ScaleTargets) {
    this.objects = Int32Array.from(Array.from(objectness.keys()).filter((target) => objectness[target]! > OBJECT_FROM));
    this.#sums = new Float64Array(rows);
    let sum = 0;
    for (let row = 0; row < rows; row += 1) this.#sums[row] = sum += weight[row]!;
  }

  /** @param fraction 0 to 1 */
  row(fraction: number): number {
    const sums = this.#sums;
    const wanted = fraction * sums[sums.length - 1]!;
    let low = 0;
    let high = sums.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle]! > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** Adds the slopes of the loss at drawn targets to a gradient. */
class GradientStep {
  readonly #targets: ScaleTargets;
  readonly #parameters: Float32Array;
  readonly #gradient: Float32Array;
  readonly #columns: number;
  readonly #classCount: number;
  readonly #probabilities: Float32Array;
  readonly #least = 1e-4 / OBJECTS_PER_STEP;

  constructor(targets: ScaleTargets, parameters: Float32Array, gradient: Float32Array, columns: number, classCount: number) {
    this.#targets = targets;
    this.#parameters = parameters;
    this.#gradient = gradient;
    this.#columns = columns;
    this.#classCount = classCount;
    this.#probabilities = new Float32Array(classCount);
  }

  /** Cross entropy of the objectness of all anchors of a row. */
  objectness(row: number, factor: number): void {
    const { kept, objectness } = this.#targets;
    for (let i = 0; i < kept.length; i += 1) {
      const filter = i * this.#columns + 4;
      this.#learn(filter, row, factor * (sigmoid(this.#output(filter, row)) - objectness[row * kept.length + i]!));
    }
  }

  /** Objectness, box and classes of one target; box and classes by how sure the object is. */
  object(target: number, factor: number, boxFactor: number, classFactor: number): void {
    const { kept, objectness } = this.#targets;
    const row = Math.floor(target / kept.length);
    const first = (target % kept.length) * this.#columns;
    const certainty = objectness[target]!;
    this.#learn(first + 4, row, factor * (sigmoid(this.#output(first + 4, row)) - certainty));
    this.#box(target, row, first, factor * certainty * boxFactor);
    if (this.#classCount > 0) this.#classes(target, row, first + 5, factor * certainty * classFactor);
  }

  /** Errors in parts of the box's own sides, as overlap sees them. */
  #box(target: number, row: number, first: number, factor: number): void {
    const { box, formula, kept } = this.#targets;
    const anchor = kept[target % kept.length]!;
    for (let side = 0; side < 4; side += 1) {
      const raw = this.#output(first + side, row);
      const wanted = box[target * 4 + side]!;
      if (side < 2) {
        const sidePx = (side === 0 ? anchor.widthPx : anchor.heightPx) * Math.exp(box[target * 4 + side + 2]!);
        const scale = anchor.stride / sidePx;
        this.#learn(first + side, row, factor * huberSlope((formula.offset(raw) - wanted) * scale) * scale * formula.offsetSlope(raw));
      } else this.#learn(first + side, row, factor * huberSlope(formula.logSize(raw) - wanted) * formula.logSizeSlope(raw));
    }
  }

  #classes(target: number, row: number, first: number, factor: number): void {
    const { classes, formula } = this.#targets;
    const probabilities = this.#probabilities;
    for (let i = 0; i < this.#classCount; i += 1) probabilities[i] = this.#output(first + i, row);
    if (formula.softmax) softmax(probabilities);
    else for (let i = 0; i < this.#classCount; i += 1) probabilities[i] = sigmoid(probabilities[i]!);
    for (let i = 0; i < this.#classCount; i += 1) {
      this.#learn(first + i, row, factor * (probabilities[i]! - classes[target * this.#classCount + i]!));
    }
  }

  #output(filter: number, row: number): number {
    const { features, featureCount } = this.#targets;
    return dot(this.#parameters, filter * (featureCount + 1), features, row * featureCount, featureCount);
  }

  #learn(filter: number, row: number, slope: number): void {
    // Most classes of most objects are as they should be: what is below a ten-thousandth moves nothing.
    if (Math.abs(slope) < this.#least) return;
    const { features, featureCount } = this.#targets;
    accumulate(this.#gradient, filter * (featureCount + 1), features, row * featureCount, featureCount, slope);
  }
}

/** A filter's weights times features, and its bias, which stands behind the weights. Four sums at a time keep the processor busy. */
function dot(parameters: Float32Array, at: number, features: Float32Array, from: number, count: number): number {
  let [a, b, c, d] = [parameters[at + count]!, 0, 0, 0];
  let i = 0;
  for (; i + 3 < count; i += 4) {
    a += parameters[at + i]! * features[from + i]!;
    b += parameters[at + i + 1]! * features[from + i + 1]!;
    c += parameters[at + i + 2]! * features[from + i + 2]!;
    d += parameters[at + i + 3]! * features[from + i + 3]!;
  }
  for (; i < count; i += 1) a += parameters[at + i]! * features[from + i]!;
  return a + b + c + d;
}

function accumulate(gradient: Float32Array, at: number, features: Float32Array, from: number, count: number, slope: number): void {
  for (let i = 0; i < count; i += 1) gradient[at + i]! += slope * features[from + i]!;
  gradient[at + count]! += slope;
}

function huberSlope(error: number): number {
  return Math.max(-HUBER, Math.min(HUBER, error));
}

function softmax(logits: Float32Array): void {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  let sum = 0;
  for (let i = 0; i < logits.length; i += 1) sum += logits[i] = Math.exp(logits[i]! - most);
  for (let i = 0; i < logits.length; i += 1) logits[i]! /= sum;
}
