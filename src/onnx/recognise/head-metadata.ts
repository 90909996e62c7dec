import type { HeadKind, HeadScale, ModelHead } from '../../core/manifest.js';
import type { ModelMetadata } from '../model-proto.js';

/** Key in an ONNX file's metadata_props under which importers leave the facts of raw anchor heads, which the graph itself doesn't hold. */
export const HEADS_KEY = 'heads';

/** Facts of raw heads as they travel inside an ONNX file. */
export interface TravellingHead {
  readonly head: ModelHead;
  /** 1 for heads without class scores. */
  readonly classCount: number;
}

/**
 * Metadata for `GraphBuilder.build`: the file can be recognised again without its manifest.
 *
 * @param classCount class scores a box; 0 where there are none.
 */
export function headsMetadata(head: ModelHead, classCount: number): Record<string, string> {
  const entries = (head.scales ?? []).map((scale) => ({
    name: scale.output,
    kind: head.kind,
    anchors: scale.anchors,
    stride: scale.stride,
    classes: classCount,
    scale_x_y: scale.scaleXy ?? 1,
  }));
  return { [HEADS_KEY]: JSON.stringify(entries) };
}

/** The reverse; undefined where the metadata has no such key or another tool's meaning of it. */
export function readHeadsMetadata(metadata: ModelMetadata): TravellingHead | undefined {
  const entries = parseEntries(metadata[HEADS_KEY]);
  const [first] = entries;
  if (!first) return undefined;
  const scales = entries.map(({ output, stride, anchors, scaleXy }): HeadScale => ({ output, stride, anchors, ...(scaleXy === 1 ? {} : { scaleXy }) }));
  const classless = first.classCount === 0 ? { classes: false } : {};
  return { head: { kind: first.kind, scales, ...classless }, classCount: Math.max(1, first.classCount) };
}

interface Entry {
  readonly output: string;
  readonly kind: HeadKind;
  readonly stride: number;
  readonly anchors: (readonly [number, number])[];
  readonly classCount: number;
  readonly scaleXy: number;
}

function parseEntries(text: string | undefined): Entry[] {
  const value = text === undefined ? undefined : parseJson(text);
  const entries = Array.isArray(value) ? value.map(parseEntry) : [];
  return entries.every((entry) => entry !== undefined) ? entries : [];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function parseEntry(value: unknown): Entry | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { name, kind, stride, anchors, classes, scale_x_y: scaleXy } = value as Record<string, unknown>;
  if (typeof name !== 'string' || typeof stride !== 'number' || typeof classes !== 'number' || !isAnchors(anchors)) return undefined;
  return { output: name, kind: kind === 'tiny-yolov2' || kind === 'yolov5-raw' ? kind : 'darknet', stride, anchors, classCount: classes, scaleXy: typeof scaleXy === 'number' ? scaleXy : 1 };
}

function isAnchors(value: unknown): value is [number, number][] {
  return Array.isArray(value) && value.every((pair) => Array.isArray(pair) && pair.length === 2 && pair.every((size) => typeof size === 'number'));
}
