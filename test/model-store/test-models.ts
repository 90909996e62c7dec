import { GraphBuilder } from '../../src/onnx/graph-builder.js';
import { decodeModel, encodeModel, makeValueInfo } from '../../src/onnx/model-proto.js';
import { NetworkWriter } from '../onnx/network-writer.js';
import { pseudoRandom } from '../onnx/support.js';

/** A Darknet detector of 24x16 with one scale of stride 8. */
export function darknetPair(classCount = 2): { cfg: string; weights: Uint8Array } {
  const writer = new NetworkWriter(24, 16);
  writer.convolutional(3, { filters: 5 + classCount, size: 8, stride: 8, padding: 0 }, 'linear');
  writer.section('yolo', `mask=0 anchors=10,14,23,27 classes=${classCount}`);
  return { cfg: writer.cfg, weights: writer.weights() };
}

export interface ExportOptions {
  readonly classCount?: number;
  /** Symbolic batch, height, width and rows, as `--dynamic` exports have them. */
  readonly dynamic?: boolean;
  readonly metadata?: Record<string, string>;
}

/**
 * A network with the inputs, outputs and metadata of a YOLOv5 export at 640: `images` [1,3,640,640], `output0` [1,25200,5+C]. Inside
 * it is only a convolution a scale.
 */
export function yolov5Export({ classCount = 80, dynamic = false, metadata = {} }: ExportOptions = {}): Uint8Array {
  const builder = new GraphBuilder('main_graph');
  const images = builder.input('images', 'float32', [1, 3, 640, 640]);
  const columns = 5 + classCount;
  const scales = [8, 16, 32].map((stride) => {
    const dims = [3 * columns, 3, stride, stride];
    const weight = builder.floats(`weight${stride}`, dims, pseudoRandom(dims.reduce((a, b) => a * b), stride));
    const raw = builder.node('Conv', [images, weight], { kernel_shape: { ints: [stride, stride] }, strides: { ints: [stride, stride] } });
    const split = builder.node('Reshape', [builder.node('Sigmoid', [raw]), builder.ints([1, 3, columns, -1])]);
    return builder.node('Reshape', [builder.node('Transpose', [split], { perm: { ints: [0, 1, 3, 2] } }), builder.ints([1, -1, columns])]);
  });
  builder.output(builder.node('Concat', scales, { axis: { i: 1 } }), 'float32', [1, 25200, columns], 'output0');
  const bytes = builder.build(metadata);
  if (!dynamic) return bytes;
  const model = decodeModel(bytes);
  model.graph!.input = [makeValueInfo('images', 'float32', ['batch', 3, 'height', 'width'])];
  model.graph!.output = [makeValueInfo('output0', 'float32', ['batch', 'anchors', columns])];
  return encodeModel(model);
}

/** A picture in, its own pixels out: no detector. */
export function noDetector(): Uint8Array {
  const builder = new GraphBuilder('none');
  builder.output(builder.node('Abs', [builder.input('x', 'float32', [1, 3, 32, 32])]), 'float32', [1, 3, 32, 32], 'y');
  return builder.build();
}

/** Rows that could be of YOLOv10, and planes that could be of YOLOv8. */
export function twoHeads(): Uint8Array {
  const builder = new GraphBuilder('two');
  const x = builder.node('ReduceMean', [builder.input('images', 'float32', [1, 3, 64, 64])], { axes: { ints: [1, 2, 3] }, keepdims: { i: 0 } });
  // Nothing found, so that no value tells which of them is meant.
  const nothing = builder.node('Sub', [x, x]);
  builder.output(builder.node('Expand', [nothing, builder.ints([1, 300, 6])]), 'float32', [1, 300, 6], 'rows');
  builder.output(builder.node('Expand', [nothing, builder.ints([1, 7, 84])]), 'float32', [1, 7, 84], 'planes');
  return builder.build();
}
