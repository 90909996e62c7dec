import type { RegionModel } from '../profile.js';

const ITERATIONS = 400;
const LEARNING_RATE = 0.5;
/** Weight of the squared weights: few examples must not make certain. */
const REGULARISATION = 1e-3;

/** Natural logarithm of the odds that the model gives. */
export function logOdds({ mean, deviation, weights, bias }: RegionModel, features: ArrayLike<number>): number {
  let sum = bias;
  for (let i = 0; i < weights.length; i += 1) sum += (weights[i]! * (features[i]! - mean[i]!)) / deviation[i]!;
  return sum;
}

/**
 * Logistic regression by gradient descent with momentum on standardised features, both classes weighted alike.
 *
 * @param rows one example each, of equally many numbers.
 * @param isPositive for each row.
 */
export function fitLogistic(rows: readonly ArrayLike<number>[], isPositive: readonly boolean[]): RegionModel {
  const count = rows[0]?.length ?? 0;
  const { mean, deviation } = standardisation(rows, count);
  const z = rows.map((row) => Float64Array.from({ length: count }, (_, i) => (row[i]! - mean[i]!) / deviation[i]!));
  const positives = isPositive.filter(Boolean).length;
  const weightOf = { positive: 0.5 / Math.max(1, positives), negative: 0.5 / Math.max(1, rows.length - positives) };
  const weights = new Float64Array(count);
  const speed = new Float64Array(count + 1);
  let bias = 0;
  for (let iteration = 0; iteration < ITERATIONS; iteration += 1) {
    const gradient = new Float64Array(count + 1);
    z.forEach((row, k) => {
      let sum = bias;
      for (let i = 0; i < count; i += 1) sum += weights[i]! * row[i]!;
      const error = (1 / (1 + Math.exp(-sum)) - (isPositive[k] ? 1 : 0)) * (isPositive[k] ? weightOf.positive : weightOf.negative);
      for (let i = 0; i < count; i += 1) gradient[i] = gradient[i]! + error * row[i]!;
      gradient[count] = gradient[count]! + error;
    });
    for (let i = 0; i <= count; i += 1) speed[i] = 0.9 * speed[i]! - LEARNING_RATE * (gradient[i]! + (i < count ? REGULARISATION * weights[i]! : 0));
    for (let i = 0; i < count; i += 1) weights[i] = weights[i]! + speed[i]!;
    bias += speed[count]!;
  }
  return { mean, deviation, weights: [...weights], bias };
}

function standardisation(rows: readonly ArrayLike<number>[], count: number): { mean: number[]; deviation: number[] } {
  const mean = new Array<number>(count).fill(0);
  const square = new Array<number>(count).fill(0);
  for (const row of rows) {
    for (let i = 0; i < count; i += 1) {
      mean[i]! += row[i]! / rows.length;
      square[i]! += (row[i]! * row[i]!) / rows.length;
    }
  }
  const deviation = mean.map((m, i) => Math.sqrt(Math.max(1e-12, square[i]! - m * m)));
  return { mean, deviation };
}
