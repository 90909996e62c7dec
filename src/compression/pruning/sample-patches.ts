import type { ConvLayer, ConvWindow } from './conv-layer.js';

/** Values of one picture, `[1, channels, height, width]`, row-major. */
export interface Activation {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

/**
 * What the filters of group `group` see at one place of their output: `fanIn` values in the order of their weights, zeros where the
 * window hangs over the edge.
 *
 * @param place in the output, row-major. @param into from `offset` on.
 */
export function copyPatch({ window, groups }: ConvLayer, group: number, input: Activation, output: Activation, place: number, into: Float32Array, offset: number): void {
  const [, channels = 0, height = 0, width = 0] = input.dims;
  const [, , outHeight = 0, outWidth = 0] = output.dims;
  const [top, left] = window.pads ?? samePads(window, [height, width], [outHeight, outWidth]);
  const [kernelHeight, kernelWidth] = window.kernel;
  const firstRow = Math.floor(place / outWidth) * window.strides[0] - top;
  const firstColumn = (place % outWidth) * window.strides[1] - left;
  const perGroup = channels / groups;
  let to = offset;
  for (let channel = group * perGroup; channel < (group + 1) * perGroup; channel += 1) {
    for (let y = 0; y < kernelHeight; y += 1) {
      const row = firstRow + y * window.dilations[0];
      const isInside = row >= 0 && row < height;
      const rowStart = (channel * height + row) * width;
      for (let x = 0; x < kernelWidth; x += 1) {
        const column = firstColumn + x * window.dilations[1];
        into[to] = isInside && column >= 0 && column < width ? input.data[rowStart + column]! : 0;
        to += 1;
      }
    }
  }
}

/** What each filter of a group gives at one place of the output. */
export function copyOutputs(from: number, filters: number, output: Activation, place: number, into: Float32Array, offset: number): void {
  const plane = output.dims[2]! * output.dims[3]!;
  for (let filter = 0; filter < filters; filter += 1) into[offset + filter] = output.data[(from + filter) * plane + place]!;
}

/** ONNX's `auto_pad`: as much as keeps ceil(size / stride) outputs. */
function samePads({ kernel, strides, dilations, isLower }: ConvWindow, input: readonly [number, number], output: readonly [number, number]): readonly [number, number] {
  const before = (axis: 0 | 1): number => {
    const total = Math.max(0, (output[axis] - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1 - input[axis]);
    return isLower ? Math.ceil(total / 2) : Math.floor(total / 2);
  };
  return [before(0), before(1)];
}
