/** How a real number becomes a byte: `q = clamp(round(x / scale) + zeroPoint, 0, 255)`; zero is exact. */
export interface ByteScale {
  readonly scale: number;
  /** 0 to 255. */
  readonly zeroPoint: number;
}

/** Real numbers that a byte has to reach. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

/** A range so narrow carries no information; wider scales keep the arithmetic away from denormals. */
const SMALLEST_SPAN = 1e-6;

/**
 * The scale for a range, widened to contain zero: padding and what a ReLU cuts off have to be exact.
 * Both numbers come out as float32 and integer, as the graph stores them.
 */
export function byteScale({ low, high }: Range): ByteScale {
  const bottom = Math.min(0, low);
  const top = Math.max(0, high);
  const scale = Math.fround(Math.max(top - bottom, SMALLEST_SPAN) / 255);
  return { scale, zeroPoint: Math.max(0, Math.min(255, roundHalfEven(-bottom / scale))) };
}

/** Weights of one layer as signed bytes, with a scale an output channel; `data` has the layout of the weights. */
export interface QuantizedWeights {
  readonly data: Int8Array;
  readonly scales: Float32Array;
}

/**
 * Symmetric, -127 to 127, per output channel (first axis).
 *
 * @param smallestScales lower bounds: a scale too small would make the bias overflow 32 bits.
 */
export function quantizeWeights(weights: Float32Array, channels: number, smallestScales?: Float64Array): QuantizedWeights {
  const perChannel = weights.length / channels;
  const data = new Int8Array(weights.length);
  const scales = new Float32Array(channels);
  for (let channel = 0; channel < channels; channel += 1) {
    const from = channel * perChannel;
    let largest = 0;
    for (let i = from; i < from + perChannel; i += 1) largest = Math.max(largest, Math.abs(weights[i]!));
    const scale = Math.fround(Math.max(largest / 127, smallestScales?.[channel] ?? 0) || 1);
    scales[channel] = scale;
    for (let i = from; i < from + perChannel; i += 1) data[i] = clamp(roundHalfEven(weights[i]! / scale), -127, 127);
  }
  return { data, scales };
}

/** A bias in units of the accumulator, `inputScale * weightScale` of its channel. */
export function quantizeBias(bias: Float32Array, inputScale: number, weightScales: Float32Array): Int32Array {
  return Int32Array.from(bias, (value, channel) => clamp(roundHalfEven(value / (inputScale * weightScales[channel]!)), -(2 ** 31), 2 ** 31 - 1));
}

/** Weight scales under which a bias would not fit into half of 32 bits (the other half is the sum's). */
export function smallestWeightScales(bias: Float32Array, inputScale: number): Float64Array {
  return Float64Array.from(bias, (value) => Math.abs(value) / (inputScale * 2 ** 30));
}

/** To the nearest integer, halves to the even one: what ONNX's QuantizeLinear and onnxruntime's kernels do. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(high, value));
}
