import { readFile } from 'node:fs/promises';
import type { GovernorDefinition } from '../../config/stream-definition.js';
import { assert } from '../../core/assert.js';
import { AppError } from '../../core/errors.js';
import type { ModelManifest } from '../../core/manifest.js';
import type { Size } from '../../core/size.js';
import { anchorCountOf } from '../../detector/anchor-mask.js';
import { type PointFacts, widthWorth } from '../../governor/ladder.js';
import type { ModelFile } from '../../inference/create-session.js';
import type { ElasticSlicer } from '../../model-store/elastic-slicer.js';
import type { InstalledModel, ModelStore } from '../../model-store/store.js';
import { precisionOf } from '../../picker/variants.js';

/** Sides of a network's input are multiples of the coarsest stride that detectors usually have. */
const SIDE_STEP_PX = 32;
/** Of the model's own side: a seventh of the pixels. A frame that takes a machine at two fifths of its speed as long as half the side at full speed. */
const LEAST_SCALE = 0.375;
/** Sizes that cost nearly the same are one. */
const LEAST_PIXEL_RATIO = 1.05;

/** A way to run a model: a relative of it at a size. */
export interface Network extends Pick<PointFacts, 'pixelShare' | 'precision' | 'isPruned' | 'widthWorth'> {
  /** Name of its points. */
  readonly name: string;
  readonly model: string;
  readonly sha256: string;
  readonly manifest: ModelManifest;
  /** Its prepared network; what is cut out of an elastic model is cut out anew each time, since nobody keeps it. */
  readonly load: () => Promise<ModelFile>;
}

/** See `governor.along` of a stream definition. */
export type Along = NonNullable<GovernorDefinition['along']>;

export interface NetworkOptions {
  /** Longer side of the smallest input, pixels; three eighths of the model's own where absent. */
  readonly floorSidePx: number | undefined;
  /** What networks differ in. */
  readonly along: Along;
  /** Cuts the ratios of an elastic model; not asked where `along` is sizes. */
  readonly slicer: ElasticSlicer | undefined;
  /** Only networks with the model's own anchors: a choice among them holds for no others. */
  readonly sameAnchors: boolean;
}

/**
 * All networks that a governed stream of a model may run, its own first: the model and what was made of it (8-bit, fewer anchors), each at
 * several sizes, and the narrower widths of an elastic model at the same sizes. Sizes that a network can't work at are left out.
 */
export async function networksOf(store: Pick<ModelStore, 'list' | 'resolve' | 'resized'>, model: InstalledModel, options: NetworkOptions): Promise<Network[]> {
  const networks: Network[] = [];
  const sizes = options.along === 'ratios' ? [model.manifest.input] : sizesOf(model.manifest.input, options.floorSidePx);
  for (const relative of [model, ...(options.along === 'ratios' ? [] : await relativesOf(store, model, options))]) {
    const facts = { precision: precisionOf(await readFile(relative.modelPath)), isPruned: anchorCountOf(relative.manifest) < anchorCountOf(model.manifest), widthWorth: 1 };
    for (const size of sizes) {
      const sized = await sizedOrNone(store, relative, size);
      if (!sized) continue;
      const { manifest, preparedPath } = sized;
      networks.push({ ...facts, ...atSize(relative.manifest, size, model.manifest.input), manifest, load: () => Promise.resolve({ modelPath: preparedPath }) });
      // At a size that the whole network can work at all of its widths can.
      if (relative === model && options.along !== 'sizes') networks.push(...narrowerThan(options.slicer, size, model.manifest.input, facts));
    }
  }
  return networks;
}

/** Name, sum and size of a network, beside the model's own size. */
function atSize({ id, sha256 }: ModelManifest, size: Size, own: Size): Pick<Network, 'name' | 'model' | 'sha256' | 'pixelShare'> {
  const isOwn = size.width === own.width && size.height === own.height;
  return { model: id, sha256, name: isOwn ? id : `${id}-${size.width}x${size.height}`, pixelShare: pixelsOf(size) / pixelsOf(own) };
}

/** The widths below the whole one. */
function narrowerThan(slicer: ElasticSlicer | undefined, size: Size, own: Size, facts: Pick<Network, 'precision' | 'isPruned'>): Network[] {
  assert(slicer, 'what is moved along ratios has a slicer');
  const [dense, ...narrower] = slicer.ratios;
  return narrower.map((ratio) => {
    const manifest = slicer.manifestOf(ratio, size);
    return { ...facts, ...atSize(manifest, size, own), manifest, widthWorth: widthWorth(ratio, dense!), load: () => slicer.slice(ratio.name, size) };
  });
}

/** Sizes from a model's own down, one side and the other by turns: each costs a little less than the one before. */
export function sizesOf(own: Size, floorSidePx = 0): Size[] {
  const sizes: Size[] = [own];
  let size = own;
  for (;;) {
    const isWidthNext = size.width / own.width >= size.height / own.height;
    size = isWidthNext ? { ...size, width: size.width - SIDE_STEP_PX } : { ...size, height: size.height - SIDE_STEP_PX };
    if (size.width < own.width * LEAST_SCALE || size.height < own.height * LEAST_SCALE || Math.max(size.width, size.height) < floorSidePx) return sizes;
    if (pixelsOf(sizes.at(-1)!) / pixelsOf(size) >= LEAST_PIXEL_RATIO) sizes.push(size);
  }
}

function pixelsOf({ width, height }: Size): number {
  return width * height;
}

/** Installed models that were made of this one and take the same frames. */
async function relativesOf(store: Pick<ModelStore, 'list' | 'resolve'>, { manifest }: InstalledModel, { sameAnchors }: NetworkOptions): Promise<InstalledModel[]> {
  const candidates = (await store.list()).filter((listed) => listed.manifest && isRelative(listed.manifest, manifest));
  const fitting = candidates.filter((listed) => !sameAnchors || anchorCountOf(listed.manifest!) === anchorCountOf(manifest));
  return Promise.all(fitting.map(({ id }) => store.resolve(id)));
}

function isRelative(other: ModelManifest, own: ModelManifest): boolean {
  const { width, height, fit, padValue } = other.input;
  const takesSameFrames = width === own.input.width && height === own.input.height && fit === own.input.fit && padValue === own.input.padValue;
  return other.lineage.parent === own.id && takesSameFrames && other.labels.join('\n') === own.labels.join('\n');
}

async function sizedOrNone(store: Pick<ModelStore, 'resized'>, model: InstalledModel, size: Size): Promise<Pick<InstalledModel, 'manifest' | 'preparedPath'> | undefined> {
  const { width, height } = model.manifest.input;
  if (size.width === width && size.height === height) return model;
  try {
    return await store.resized(model, size);
  } catch (error) {
    if (error instanceof AppError && error.code === 'ERR_MODEL_UNSUPPORTED_OP') return undefined;
    throw error;
  }
}
