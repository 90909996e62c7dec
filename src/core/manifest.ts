import type { FitMode } from './image-fit.js';

/** How a model's outputs become boxes. The decoder of each is in `detector/decoders`. */
export type HeadKind = 'darknet' | 'yolov5' | 'yolov5-raw' | 'yolov8' | 'yolov10' | 'yolox' | 'tiny-yolov2' | 'rows';

/** Width and height pairs of the anchors of one scale, in pixels of the model input. */
export type Anchors = readonly (readonly [widthPx: number, heightPx: number])[];

/**
 * One output tensor of a dense head. `anchors` is given for anchor-based heads only; counts may differ between scales.
 */
export interface HeadScale {
  /** Name of the output tensor; heads with one tensor for all scales (`yolox`, `yolov8`) repeat it or leave it out. */
  readonly output?: string | undefined;
  readonly stride: number;
  readonly anchors?: Anchors | undefined;
  /** Darknet's `scale_x_y`, 1 where absent (2 for `yolov5-raw`, as YOLOv5 has it). */
  readonly scaleXy?: number | undefined;
}

export interface ModelHead {
  readonly kind: HeadKind;
  /** Name of the output tensor where there is one for the whole head. */
  readonly output?: string | undefined;
  readonly scales?: readonly HeadScale[] | undefined;
  /** `rows` only: order of the columns of each row, e.g. `x1 y1 x2 y2 score class`, in pixels of the model input. */
  readonly columns?: readonly ('x1' | 'y1' | 'x2' | 'y2' | 'score' | 'class')[] | undefined;
  /** False where the head has no objectness of its own or no class scores (`tiny-yolov2` for faces has classes: false). */
  readonly classes?: boolean | undefined;
}

export interface ModelInput {
  readonly name: string;
  readonly layout: 'nchw' | 'nhwc';
  readonly dtype: 'float32' | 'uint8';
  readonly width: number;
  readonly height: number;
  readonly color: 'rgb' | 'bgr';
  /** The network sees `(pixel - mean[c]) * scale`, pixel 0 to 255, `mean` in the order of `color`. */
  readonly scale: number;
  readonly mean: readonly [number, number, number];
  readonly fit: FitMode;
  readonly padValue: number;
}

export interface LineageStep {
  readonly kind: string;
  readonly [detail: string]: unknown;
}

/** One of the widths of an elastic model. */
export interface ElasticRatio {
  /** As it is asked for: `50` of `street@50`. */
  readonly name: string;
  /** Multiply-accumulates of one picture at the model's own size. */
  readonly macs: number;
  /** 0 to 1, as its trainer measured it; on the same pictures for all ratios of a model. */
  readonly ap50?: number | undefined;
}

/** What a model is: everything needed to feed it and to read it. Checked by the schema in `config/manifest-schema.ts`. */
export interface ModelManifest {
  readonly id: string;
  readonly task: 'detection';
  readonly title: string;
  /** ONNX file beside the manifest. */
  readonly file: string;
  /** Of `file`, lower-case hex. */
  readonly sha256: string;
  /** Of an elastic model: masks and statistics of its ratios, beside `file`, and the SHA-256 of that, lower-case hex. */
  readonly elastic?: { readonly file: string; readonly sha256: string } | undefined;
  readonly licence: string;
  readonly input: ModelInput;
  readonly head: ModelHead;
  readonly labels: readonly string[];
  readonly defaults: { readonly confidenceThreshold: number; readonly iouThreshold: number };
  readonly lineage: { readonly parent: string | null; readonly origin: string; readonly operations: readonly LineageStep[] };
  /** Written by a measured run, never by hand; null is not measured yet. */
  readonly baseline: { readonly dataset: string; readonly map50: number | null; readonly map5095: number | null } | null;
}
