/** Darknet's layers written down plainly, batch norm unfolded, one loop an axis: what the importer is compared with. */
export interface Picture {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly data: Float64Array;
}

export interface ConvolutionWeights {
  readonly biases: ArrayLike<number>;
  readonly batchNorm?: { readonly scales: ArrayLike<number>; readonly means: ArrayLike<number>; readonly variances: ArrayLike<number> };
  readonly weights: ArrayLike<number>;
}

export interface ConvolutionShape {
  readonly filters: number;
  readonly size: number;
  readonly stride: number;
  readonly padding: number;
  readonly groups?: number;
  readonly dilation?: number;
}

export function picture(channels: number, height: number, width: number, value: (channel: number, y: number, x: number) => number): Picture {
  const data = Float64Array.from({ length: channels * height * width }, (_, i) => value(Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width));
  return { channels, height, width, data };
}

/** 0 outside. */
function at({ height, width, data }: Picture, channel: number, y: number, x: number): number {
  return y < 0 || x < 0 || y >= height || x >= width ? 0 : data[(channel * height + y) * width + x]!;
}

export function convolve(input: Picture, { filters, size, stride, padding, groups = 1, dilation = 1 }: ConvolutionShape, { biases, batchNorm, weights }: ConvolutionWeights): Picture {
  const perGroup = input.channels / groups;
  const extent = (size - 1) * dilation + 1;
  const height = Math.floor((input.height + 2 * padding - extent) / stride) + 1;
  const width = Math.floor((input.width + 2 * padding - extent) / stride) + 1;
  return picture(filters, height, width, (filter, y, x) => {
    const firstChannel = Math.floor(filter / (filters / groups)) * perGroup;
    let sum = 0;
    for (let c = 0; c < perGroup; c++) {
      for (let ky = 0; ky < size; ky++) {
        for (let kx = 0; kx < size; kx++) {
          sum += weights[((filter * perGroup + c) * size + ky) * size + kx]! * at(input, firstChannel + c, y * stride - padding + ky * dilation, x * stride - padding + kx * dilation);
        }
      }
    }
    const normal = batchNorm ? ((sum - batchNorm.means[filter]!) / Math.sqrt(batchNorm.variances[filter]! + 1e-5)) * batchNorm.scales[filter]! : sum;
    return normal + biases[filter]!;
  });
}

/** As Darknet has it: the window starts at -padding/2 and what lies outside is nothing. */
export function maxPool(input: Picture, size: number, stride: number, padding: number): Picture {
  const offset = -Math.floor(padding / 2);
  const height = Math.floor((input.height + padding - size) / stride) + 1;
  const width = Math.floor((input.width + padding - size) / stride) + 1;
  return picture(input.channels, height, width, (channel, y, x) => {
    let max = -Infinity;
    for (let ky = 0; ky < size; ky++) {
      for (let kx = 0; kx < size; kx++) {
        const [row, column] = [offset + y * stride + ky, offset + x * stride + kx];
        if (row >= 0 && column >= 0 && row < input.height && column < input.width) max = Math.max(max, at(input, channel, row, column));
      }
    }
    return max;
  });
}

export function upsample(input: Picture, factor: number): Picture {
  return picture(input.channels, input.height * factor, input.width * factor, (channel, y, x) => at(input, channel, Math.floor(y / factor), Math.floor(x / factor)));
}

export function channelsOf(input: Picture, first: number, count: number): Picture {
  return picture(count, input.height, input.width, (channel, y, x) => at(input, first + channel, y, x));
}

export function stack(...parts: readonly Picture[]): Picture {
  const data = Float64Array.from(parts.flatMap((part) => Array.from(part.data)));
  return { ...parts[0]!, channels: parts.reduce((sum, { channels }) => sum + channels, 0), data };
}

export function each(input: Picture, change: (value: number, index: number) => number): Picture {
  return { ...input, data: input.data.map(change) };
}

export const ACTIVATIONS: Readonly<Record<string, (x: number) => number>> = {
  linear: (x) => x,
  leaky: (x) => (x > 0 ? x : 0.1 * x),
  relu: (x) => Math.max(0, x),
  relu6: (x) => Math.min(6, Math.max(0, x)),
  logistic: (x) => 1 / (1 + Math.exp(-x)),
  tanh: Math.tanh,
  swish: (x) => x / (1 + Math.exp(-x)),
  mish: (x) => x * Math.tanh(Math.log1p(Math.exp(x))),
};
