import type { SourceDefinition, StreamDefinition } from '../config/stream-definition.js';
import type { FrameFormat } from '../core/frame.js';
import type { FramePool } from '../core/frame-pool.js';
import type { Delivery, Source } from '../core/source.js';
import { createDatasetSource } from '../sources/dataset/dataset-source.js';
import { type DatasetKind, readDataset } from '../sources/dataset/read-dataset.js';
import { createFileSource } from '../sources/file-source.js';
import { createNetworkSource } from '../sources/network-source.js';
import { redactUrl } from '../sources/redact.js';
import { optional } from './optional.js';
import { openStereoSource } from './stereo/stereo-input.js';

export interface SourceSettings {
  readonly format: FrameFormat;
  /** One; of a stereo source as `stereoPoolSizes` says. */
  readonly pools: readonly FramePool[];
}

/** Cameras are live; files and datasets wait for us, unless they are played in real time. */
export function deliveryOf(source: SourceDefinition): Delivery {
  switch (source.kind) {
    case 'rtsp':
    case 'http':
      return 'live';
    case 'file':
    case 'dataset':
      return 'lossless';
    case 'stereo':
      return source.left && source.left.kind !== 'file' ? 'live' : 'lossless';
  }
}

/** Datasets whose pictures are the frames of a video. */
const RECORDINGS: ReadonlySet<DatasetKind> = new Set(['mot', 'kitti-tracking']);

/** Whether pictures follow each other in time: a dataset's do where it is a recording, or is played as one. */
export async function isSequence(source: SourceDefinition): Promise<boolean> {
  if (source.kind === 'stereo') return true;
  if (source.kind !== 'dataset' || source.frameRateFps !== undefined) return true;
  return RECORDINGS.has((await readDataset(source.path)).kind);
}

/** The kinds of sources that a definition may name. @throws AppError where the source can't even be opened (a missing file) */
export async function createSource({ name, source }: StreamDefinition, { format, pools }: SourceSettings): Promise<Source> {
  const pool = pools[0]!;
  switch (source.kind) {
    case 'file':
      return createFileSource({ name, path: source.path, format, pool, ...optional({ realtime: source.realtime, loop: source.loop }) });
    case 'rtsp':
    case 'http': {
      const { url, transport, stallTimeoutMs, frozenTimeoutMs } = source;
      return createNetworkSource({ name, url, format, pool, ...optional({ transport, stallTimeoutMs, frozenTimeoutMs }) });
    }
    case 'dataset': {
      const { path, realtime, loop, frameRateFps } = source;
      return createDatasetSource({ name, folder: path, format, pool, ...optional({ realtime, loop, frameRate: frameRateFps }) });
    }
    case 'stereo':
      return openStereoSource(name, source, format, pools);
  }
}

/** Where frames come from, for people: without credentials. */
export function locationOf(source: SourceDefinition): string {
  if ('url' in source) return redactUrl(source.url);
  if (source.kind !== 'stereo') return source.path;
  return source.path ?? [source.left, source.right].map((camera) => camera && locationOf(camera)).join(' and ');
}
