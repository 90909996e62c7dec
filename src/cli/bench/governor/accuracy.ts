import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { detectPrepared, frameFormatOf } from '../../../compression/score-model.js';
import type { FrameFormat } from '../../../core/frame.js';
import type { FittedPicture } from '../../../core/picture-set.js';
import { planScaling, scaleFit, scaleFrame } from '../../../detector/scale-frame.js';
import type { CocoDataset } from '../../../evaluation/coco-dataset.js';
import type { ModelFile } from '../../../inference/create-session.js';
import { evaluateMap50 } from '../../../evaluation/map50.js';
import type { PointAccuracy } from '../../governor/point-file.js';
import type { Network } from '../../governor/networks.js';
import { anyPictures, spreadPictures } from '../../picture-sets.js';
import { type MotInput, openMotInput } from '../../tracking/mot-input.js';

/** Frames that points are scored on: enough to tell sizes apart, few enough to wait for. */
const SCORED_FRAMES = 80;

/** What a score is of: it is taken as it is where it was measured on the same before. */
export async function openTruth(video: string, gt: string | undefined): Promise<{ readonly input: MotInput; readonly data: string }> {
  const input = await openMotInput(video, gt);
  return { input, data: `${basename(input.path)}, ${Math.min(SCORED_FRAMES, input.frames.length)} of frames 1 to ${input.frames.length}, persons` };
}

/**
 * AP50 of persons, by network, on frames that are scaled as in a governed stream.
 *
 * @throws AppError of the video or of a model
 */
export async function scoreNetworks(networks: readonly Network[], { input, data }: { readonly input: MotInput; readonly data: string }, onProgress: (share: number) => void): Promise<PointAccuracy> {
  const format = frameFormatOf(networks[0]!.manifest.input);
  const frames = await framesOf(input, format);
  const truth = truthOf(input, frames);
  const ap50: Record<string, number> = {};
  for (const [i, network] of networks.entries()) {
    const { width, height } = network.manifest.input;
    const scaling = planScaling(format.size, { width, height });
    const scaled = frames.map(({ fit, pixels, ...frame }): FittedPicture => {
      const out = new Uint8Array(width * height * 3);
      scaleFrame(pixels, scaling, out);
      return { ...frame, fit: scaleFit(fit, scaling), pixels: out };
    });
    const results = await detectPrepared(network.manifest, await bytesOf(await network.load()), scaled, truth.categories);
    ap50[network.name] = evaluateMap50(truth, results).map50 ?? 0;
    onProgress((i + 1) / networks.length);
  }
  return { data, ap50 };
}

async function bytesOf({ modelPath, modelBytes }: ModelFile): Promise<Uint8Array> {
  // A copy: the runtime refuses shared memory.
  return modelPath === undefined ? new Uint8Array(modelBytes) : readFile(modelPath);
}

/** Evenly spread over the part of the video that has ground truth. */
async function framesOf({ path, frames }: MotInput, format: FrameFormat): Promise<FittedPicture[]> {
  const set = spreadPictures(await anyPictures(path, frames.length), SCORED_FRAMES);
  const kept: FittedPicture[] = [];
  for await (const picture of set.read(format)) kept.push(picture);
  return kept;
}

/** Rows that count are persons to be found; others neither right nor wrong. */
function truthOf({ truth }: MotInput, frames: readonly FittedPicture[]): CocoDataset {
  const ids = new Set(frames.map(({ imageId }) => imageId));
  const rows = truth.map((row) => ({ ...row, imageId: row.frame - 1 })).filter(({ imageId }) => ids.has(imageId));
  return {
    images: frames.map(({ imageId, sourceSize }) => ({ id: imageId, file_name: String(imageId), ...sourceSize })),
    annotations: rows.map(({ imageId, flag, xywh: [x, y, width, height] }) => ({ image_id: imageId, category_id: 1, bbox: [x, y, width, height], area: width * height, iscrowd: flag === 0 ? 1 : 0 })),
    categories: [{ id: 1, name: 'person' }],
  };
}
