import { AppError } from '../../core/errors.js';
import type { HeadKind, HeadScale, ModelHead, ModelManifest } from '../../core/manifest.js';
import { classCountOf } from '../../detector/head-scales.js';
import { maskableScales } from '../../detector/anchor-mask.js';
import { headsMetadata } from '../../onnx/recognise/head-metadata.js';
import { cutHead, readHeadLayers, type HeadLayer, type ScaleCut } from '../../onnx/head-layers.js';
import { graphCost } from '../../onnx/graph-cost.js';
import { decodeModel, graphOf } from '../../onnx/model-proto.js';
import type { CandidateModel } from '../score-model.js';

/** Heads that come out of a convolution as they are. */
const RAW_HEADS: readonly HeadKind[] = ['darknet', 'tiny-yolov2', 'yolov5-raw'];

/** One anchor of a head and what it costs. */
export interface Anchor {
  /** Counted through all scales in the manifest's order. */
  readonly index: number;
  readonly scaleIndex: number;
  /** Within its scale, from 0. */
  readonly inScale: number;
  readonly stride: number;
  readonly widthPx: number;
  readonly heightPx: number;
  /** Boxes that it makes of every picture. */
  readonly cells: number;
  /** Multiply-accumulates of its filters in the last convolution. */
  readonly macs: number;
}

/** A model with a raw anchor head, opened for pruning. */
export interface AnchorModel {
  readonly model: CandidateModel;
  readonly scales: readonly HeadScale[];
  readonly layers: readonly HeadLayer[];
  readonly anchors: readonly Anchor[];
  /** Class scores a box, 0 where there are none. */
  readonly classCount: number;
  /** Numbers of one box: 5 + classes. */
  readonly columns: number;
  /** Of all convolutions; undefined where shapes couldn't be followed. */
  readonly networkMacs: number | undefined;
}

/** What a set of anchors costs. */
export interface HeadCost {
  readonly macs: number;
  /** Anchors times cells: boxes that the head makes of a picture, before any threshold. */
  readonly boxes: number;
}

/**
 * Reads the head of a model.
 *
 * @throws AppError ERR_MODEL_HEAD_UNKNOWN where it has no raw anchor head, or what `readHeadLayers` throws.
 */
export function openAnchorModel(model: CandidateModel): AnchorModel {
  const { manifest } = model;
  const { head, labels, input } = manifest;
  const scales = maskableScales(manifest);
  if (!scales || !RAW_HEADS.includes(head.kind)) {
    throw new AppError('ERR_MODEL_HEAD_UNKNOWN', `The ${head.kind} head of ${manifest.id} has no anchors to prune`, { fix: 'Anchor-based heads are Darknet YOLOv3 and v4, Tiny-YOLOv2, and YOLOv5-style exports.' });
  }
  const classCount = classCountOf({ head, labels } as ModelManifest);
  const columns = 5 + classCount;
  const layers = readHeadLayers(model.onnx, head, columns);
  const perScale = scales.map(({ stride, anchors }, scaleIndex) => {
    const cells = Math.ceil(input.width / stride) * Math.ceil(input.height / stride);
    const macs = cells * columns * layers[scaleIndex]!.filterSize;
    return anchors!.map(([widthPx, heightPx], inScale) => ({ scaleIndex, inScale, stride, widthPx, heightPx, cells, macs }));
  });
  return { model, scales, layers, anchors: perScale.flat().map((anchor, index) => ({ index, ...anchor })), classCount, columns, networkMacs: graphCost(graphOf(decodeModel(model.onnx))).macs };
}

/** @param off anchors that are left out, by index */
export function headCost({ anchors }: Pick<AnchorModel, 'anchors'>, off: readonly number[] = []): HeadCost {
  const on = anchors.filter(({ index }) => !off.includes(index));
  return { macs: on.reduce((sum, { macs }) => sum + macs, 0), boxes: on.reduce((sum, { cells }) => sum + cells, 0) };
}

/** For people and for manifests: `12x18@16`. */
export function anchorName({ widthPx, heightPx, stride }: Anchor): string {
  const size = (px: number): string => String(Number(px.toFixed(1)));
  return `${size(widthPx)}x${size(heightPx)}@${stride}`;
}

/** New numbers of a scale's kept filters. */
export interface ScaleWeights {
  readonly weights: Float32Array;
  readonly bias: Float32Array;
}

/**
 * The model without the anchors of `off`: their filters are cut out of the head, and a scale that lost all of them goes altogether.
 *
 * @param refitted new numbers of the kept filters of a scale, by scale index; those of the full model where absent.
 */
export function pruneAnchorModel(full: AnchorModel, off: readonly number[], refitted: ReadonlyMap<number, ScaleWeights> = new Map()): CandidateModel {
  const { model, scales, anchors, columns, classCount } = full;
  const cuts = scales.map(({ output }, scaleIndex): ScaleCut => {
    const kept = anchors.filter((anchor) => anchor.scaleIndex === scaleIndex && !off.includes(anchor.index));
    const filters = kept.flatMap(({ inScale }) => Array.from({ length: columns }, (_, i) => inScale * columns + i));
    return { output: output ?? model.manifest.head.output ?? '', filters, ...refitted.get(scaleIndex) };
  });
  const head = prunedHead(full, off);
  return { manifest: { ...model.manifest, head }, onnx: cutHead(model.onnx, cuts, headsMetadata(head, classCount)) };
}

function prunedHead({ model, scales, anchors }: AnchorModel, off: readonly number[]): ModelHead {
  const left = scales.map((scale, scaleIndex) => ({
    ...scale,
    anchors: anchors.filter((anchor) => anchor.scaleIndex === scaleIndex && !off.includes(anchor.index)).map(({ widthPx, heightPx }) => [widthPx, heightPx] as const),
  }));
  return { ...model.manifest.head, scales: left.filter((scale) => scale.anchors.length > 0) };
}
