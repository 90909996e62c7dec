/** One axis of a window that slides over a padded picture. */
export interface PaddedAxis {
  readonly output: number;
  readonly before: number;
  readonly after: number;
}

/** TensorFlow's SAME pads as little as it can, and the odd pixel goes to the far side. */
export function samePadding(input: number, extent: number, stride: number): PaddedAxis {
  const output = Math.ceil(input / stride);
  const total = Math.max(0, (output - 1) * stride + extent - input);
  const before = Math.floor(total / 2);
  return { output, before, after: total - before };
}

/** [height, width, in, out] to [out, in, height, width]. */
export function denseWeights(data: ArrayLike<number>, [filters, channels, height, width]: readonly number[]): Float32Array {
  const kernel = height! * width!;
  return Float32Array.from({ length: data.length }, (_, i) => {
    const filter = Math.floor(i / (channels! * kernel));
    const channel = Math.floor(i / kernel) % channels!;
    return data[((i % kernel) * channels! + channel) * filters! + filter]!;
  });
}

/** [height, width, in, multiplier] to [in * multiplier, 1, height, width]. */
export function depthwiseWeights(data: ArrayLike<number>, [filters, , height, width]: readonly number[]): Float32Array {
  const kernel = height! * width!;
  return Float32Array.from({ length: data.length }, (_, i) => data[(i % kernel) * filters! + Math.floor(i / kernel)]!);
}
