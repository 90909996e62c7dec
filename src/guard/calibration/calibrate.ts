import type { Detections } from '../../core/detections.js';
import { assert } from '../../core/assert.js';
import { AppError } from '../../core/errors.js';
import type { FrameFormat } from '../../core/frame.js';
import type { ModelManifest } from '../../core/manifest.js';
import type { FittedPicture, PictureSet } from '../../core/picture-set.js';
import { SeededRandom } from '../../core/seeded-random.js';
import { type DetectorSession, loadDetector } from '../../detector/detector-session.js';
import { findOutput, type OutputTensor } from '../../detector/output-tensor.js';
import { fillRegions } from '../fill.js';
import { passThresholds } from '../passes.js';
import {
  type CellProfile,
  type CleanDistribution,
  EVIDENCE_VIEWS,
  type EvidenceView,
  GUARD_PROFILE_VERSION,
  type GuardProfile,
  type RegionModel,
  type SearchKind,
  type SearchView,
  type ShallowTap,
  type Tail,
  usesEvidence,
  usesFinder,
  type ViewModel,
  viewsOf,
  type WindowProfile,
} from '../profile.js';
import type { InputRegion } from '../region.js';
import { CellMapper, PIXEL_FEATURE_COUNT, PIXEL_FEATURES } from '../search/cell-maps.js';
import { IntegralImage } from '../search/integral-image.js';
import { fitLogistic, logOdds } from '../search/logistic.js';
import { assertFinderTakes, PatchFinder } from '../search/patch-finder.js';
import { type ExaminedRegion, PatchSearch, type SearchInput } from '../search/patch-search.js';
import { regionFeatureNames } from '../search/region-features.js';
import { inputBox, regionIou } from '../search/region-geometry.js';
import { WindowSearch } from '../search/window-search.js';
import { acts, certainty, type MeasuredCandidate, measureEffects } from '../verify-regions.js';
import { pasteSquare, randomTexture } from './paste-square.js';
import { distributionOf, exceededBy, quantile, tailOf } from './statistics.js';

export interface CalibrationOptions {
  readonly manifest: ModelManifest;
  /** The prepared model with the tap as an additional output. */
  readonly modelPath: string;
  readonly tap: ShallowTap;
  /** Where regions to look at come from. */
  readonly search: SearchKind;
  /** The patch finder, where the search wants it. */
  readonly finder?: FinderFile | undefined;
  /** Ordinary pictures, without patches. */
  readonly pictures: PictureSet;
  /** Of inference. */
  readonly threads: number;
  readonly seed?: number;
  /** Called with the share of the work that is done, as a number of pictures. */
  readonly onPicture?: (done: number) => void;
}

/** The network of the patch finder. */
export interface FinderFile {
  readonly path: string;
  readonly sha256: string;
}

/** Fewer say nothing of what is ordinary. */
const LEAST_PICTURES = 8;
/** Share of clean pictures that may cost a second pass, and that may be flagged. */
const TRIGGER_SHARE: Readonly<Record<SearchKind, Readonly<Partial<Record<SearchView, number>>>>> = {
  evidence: { colour: 0.15, grey: 0.07 },
  finder: { finder: 0.2 },
  both: { colour: 0.09, grey: 0.04, finder: 0.1 },
};
const FLAG_SHARE = 0.018;
const MAX_DETECTIONS = 100;
/** Sides of the windows in cells of 4 pixels of a picture of 80 cells. */
const WINDOW_SIZES = [3, 4, 5, 6, 8, 10, 12, 15, 19, 24] as const;
const PASTED_PER_PICTURE = 4;
const CELLS_PER_PICTURE = 400;
/** A candidate that overlaps a pasted square by so much has found it. */
const FOUND_IOU = 0.4;
/** Most suspicious regions of each clean picture that the effect of covering is measured of. */
const COVERED_PER_PICTURE = 6;

/**
 * Learns what is ordinary: runs the model on clean pictures and keeps the distributions that the guard's thresholds are relative to. How
 * pasted things look to this very model is learnt by pasting harmless squares into the same pictures.
 *
 * @throws AppError ERR_DATASET_EMPTY where there are too few pictures; ERR_USAGE where the finder can't look at pictures of the model's size, and
 * what else loading it throws.
 */
export async function calibrateGuard(options: CalibrationOptions): Promise<GuardProfile> {
  const { search, finder: file, threads, manifest } = options;
  assert(file || !usesFinder(search), `a search by ${search} has a finder`);
  if (usesFinder(search)) assertFinderTakes(manifest.input);
  const detector = await loadDetector(options);
  try {
    const finder = usesFinder(search) ? await PatchFinder.load({ modelPath: file!.path, threads }, manifest.input) : undefined;
    try {
      return await new Calibration(options, detector, finder).run();
    } finally {
      await finder?.release();
    }
  } finally {
    await detector.session.release();
  }
}

/** A clean picture, or one with squares in it. */
interface Sample {
  readonly picture: FittedPicture;
  readonly pixels: Uint8Array;
  readonly pasted: readonly PastedSquare[];
}

type PastedSquare = InputRegion & { readonly view: EvidenceView };

interface Looked {
  /** What the network saw, private to the session and until its next run. */
  readonly pixels: Uint8Array;
  readonly detections: Detections;
  readonly tap: OutputTensor;
}

/** What is ordinary of the cells, and of their windows. */
interface Ordinary {
  readonly cells: CellProfile;
  readonly windows: WindowProfile;
}

/** What the first look at the clean pictures tells. */
interface Survey {
  readonly found: readonly Detections[];
  readonly scoreScale: number;
  /** Before anything is known of what is pasted in: with weights of 0. */
  readonly cells: CellProfile;
}

class Calibration {
  readonly #options: CalibrationOptions;
  readonly #detector: DetectorSession;
  readonly #random: SeededRandom;
  readonly #finder: PatchFinder | undefined;
  #work = { done: 0, all: 1 };

  constructor(options: CalibrationOptions, detector: DetectorSession, finder: PatchFinder | undefined) {
    this.#options = options;
    this.#detector = detector;
    this.#finder = finder;
    this.#random = new SeededRandom(options.seed ?? 1);
  }

  async run(): Promise<GuardProfile> {
    const pictures = await this.#read();
    const isByEvidence = usesEvidence(this.#options.search);
    // Looks at each clean picture: one or two, then two and about two covered passes; at each pasted one: one or two.
    this.#work = { done: 0, all: (isByEvidence ? 8 : 6) * pictures.length };
    const clean = pictures.map((picture): Sample => ({ picture, pixels: picture.pixels, pasted: [] }));
    const survey = await this.#survey(clean);
    const pasted = clean.map((sample, i) => this.#paste(sample, survey.found[i]!, clean));
    const ordinary = isByEvidence ? await this.#learnOrdinary(clean, pasted, survey.cells) : undefined;
    const partial = this.#profile(pictures.length, ordinary, survey.scoreScale);
    const region = await this.#learnRegions(clean, pasted, partial);
    const effects = await this.#learnEffects(clean, { ...partial, region: region.profile });
    return {
      ...partial,
      region: region.profile,
      effect: effects.tails,
      evidence: { suspicion: distributionOf(region.suspicion), ...effects.distributions },
      thresholds: { ...partial.thresholds, flag: effects.flag, appearing: effects.appearing },
    };
  }

  async #read(): Promise<FittedPicture[]> {
    const { width, height, fit, padValue } = this.#options.manifest.input;
    const format: FrameFormat = { size: { width, height }, fit, padValue };
    const pictures: FittedPicture[] = [];
    for await (const picture of this.#options.pictures.read(format)) pictures.push(picture);
    if (pictures.length < LEAST_PICTURES) {
      throw new AppError('ERR_DATASET_EMPTY', `Expected at least ${LEAST_PICTURES} ordinary pictures to calibrate on, found ${pictures.length}`, { fix: 'Give more pictures, a longer video, or a greater --limit.' });
    }
    return pictures;
  }

  async #look({ picture: { fit, sourceSize } }: Sample, pixels: Uint8Array, fills: readonly InputRegion[] = []): Promise<Looked> {
    const { manifest, tap } = this.#options;
    let seen = pixels;
    const outputs = await this.#detector.session.run(pixels, (input) => {
      fillRegions(input, manifest.input, fills);
      seen = input;
    });
    const thresholds = passThresholds({ ...manifest.defaults, maxDetections: MAX_DETECTIONS });
    const detections = this.#detector.decoder.decode(outputs, thresholds, fit, sourceSize);
    this.#work.done += 1;
    this.#options.onPicture?.(Math.min(1, this.#work.done / this.#work.all) * this.#options.pictures.count);
    return { pixels: seen, detections, tap: findOutput(outputs, tap.output, [1, tap.channels, tap.height, tap.width], 'the shallow features') };
  }

  /** What the detector finds and the scale of its scores; mean and deviation of each channel and pixel feature. */
  async #survey(clean: readonly Sample[]): Promise<Survey> {
    const { tap, manifest } = this.#options;
    const neutral: CellProfile = { mean: zeros(tap.channels), deviation: ones(tap.channels), pixelMean: zeros(PIXEL_FEATURE_COUNT), pixelDeviation: ones(PIXEL_FEATURE_COUNT), weights: { colour: zeros(tap.channels + PIXEL_FEATURE_COUNT), grey: zeros(tap.channels + PIXEL_FEATURE_COUNT) } };
    const mapper = new CellMapper(tap, neutral, manifest.input);
    const channels = Array.from({ length: tap.channels }, () => new Moments());
    const pixels = PIXEL_FEATURES.map(() => new Moments());
    const found: Detections[] = [];
    const confidences: number[] = [];
    const area = tap.width * tap.height;
    for (const sample of clean) {
      const { detections, tap: features } = await this.#look(sample, sample.pixels);
      const maps = mapper.update(sample.pixels, features.data);
      for (let cell = this.#random.integer(5); cell < area; cell += 5) {
        channels.forEach((moments, c) => moments.add(features.data[c * area + cell]!));
        PIXEL_FEATURES.forEach((name, i) => pixels[i]!.add(maps[name][cell]!));
      }
      found.push(detections);
      for (let i = 0; i < detections.count; i += 1) if (detections.confidence[i]! > manifest.defaults.confidenceThreshold) confidences.push(detections.confidence[i]!);
    }
    const cells = { mean: channels.map(({ mean }) => mean), deviation: channels.map(({ deviation }) => deviation), pixelMean: pixels.map(({ mean }) => mean), pixelDeviation: pixels.map(({ deviation }) => deviation), weights: neutral.weights };
    const scoreScale = confidences.length > 0 ? quantile(Float64Array.from(confidences).sort(), 0.9) : 2 * manifest.defaults.confidenceThreshold;
    return { cells, found, scoreScale: Math.max(scoreScale, manifest.defaults.confidenceThreshold) };
  }

  /** A copy with squares in it, on objects where there are some, and beside them. */
  #paste(sample: Sample, detections: Detections, all: readonly Sample[]): Sample {
    const { width, height } = this.#options.manifest.input;
    const random = this.#random;
    const pixels = Uint8Array.from(sample.pixels);
    const pasted: PastedSquare[] = [];
    const box = new Float64Array(4);
    for (let k = 0; k < PASTED_PER_PICTURE; k += 1) {
      const texture = randomTexture(random, all[random.integer(all.length)]!.pixels, { width, height });
      let centre = { x: random.uniform(0, width), y: random.uniform(0, height) };
      let side = random.uniform(0.04, 0.25) * Math.min(width, height);
      if (detections.count > 0 && random.chance(0.7)) {
        inputBox(detections, random.integer(Math.min(detections.count, 8)), sample.picture.fit, box);
        const [boxWidth, boxHeight] = [box[2]! - box[0]!, box[3]! - box[1]!];
        centre = { x: (box[0]! + box[2]!) / 2 + random.uniform(-0.15, 0.15) * boxWidth, y: (box[1]! + box[3]!) / 2 + random.uniform(-0.25, 0.15) * boxHeight };
        side = random.uniform(0.15, 0.35) * Math.hypot(boxWidth, boxHeight);
      }
      if (side < 8 || pasted.some((other) => regionIou(other, around(centre, side)) > 0)) continue;
      const region = pasteSquare(pixels, { width, height }, texture, centre, side, random);
      if (region) pasted.push({ ...region, view: texture.isGrey ? 'grey' : 'colour' });
    }
    return { picture: sample.picture, pixels, pasted };
  }

  async #learnOrdinary(clean: readonly Sample[], pasted: readonly Sample[], neutral: CellProfile): Promise<Ordinary> {
    const cells = await this.#learnCells(pasted, neutral);
    return { cells, windows: await this.#learnWindows(clean, cells) };
  }

  /** Which channels tell cells of pasted squares from others: logistic regression, cell by cell. */
  async #learnCells(pasted: readonly Sample[], cells: CellProfile): Promise<CellProfile> {
    const { tap, manifest } = this.#options;
    const mapper = new CellMapper(tap, cells, manifest.input);
    const rows: Float32Array[] = [];
    const views: (EvidenceView | undefined)[] = [];
    const area = tap.width * tap.height;
    for (const sample of pasted) {
      const { tap: features } = await this.#look(sample, sample.pixels);
      mapper.update(sample.pixels, features.data);
      for (let k = 0; k < CELLS_PER_PICTURE; k += 1) {
        const cell = k % 4 === 0 && sample.pasted.length > 0 ? this.#cellIn(sample.pasted[this.#random.integer(sample.pasted.length)]!) : this.#random.integer(area);
        const row = new Float32Array(tap.channels + PIXEL_FEATURE_COUNT);
        mapper.featuresOf(cell, features.data, row);
        rows.push(row);
        views.push(sample.pasted.find((region) => isIn(region, cell, tap))?.view);
      }
    }
    const weightsOf = (view: EvidenceView): number[] => {
      // What is pasted in for the other view is neither an example nor a counterexample.
      const chosen = rows.filter((_, i) => views[i] === view || views[i] === undefined);
      const fitted = fitLogistic(chosen, views.filter((other) => other === view || other === undefined).map((other) => other === view));
      return fitted.weights.map((weight, i) => weight / fitted.deviation[i]!);
    };
    return { ...cells, weights: { colour: weightsOf('colour'), grey: weightsOf('grey') } };
  }

  #cellIn({ left, top, right, bottom }: InputRegion): number {
    const { stride, width, height } = this.#options.tap;
    const x = Math.min(width - 1, Math.floor(this.#random.uniform(left, right) / stride));
    const y = Math.min(height - 1, Math.floor(this.#random.uniform(top, bottom) / stride));
    return y * width + x;
  }

  /** How far the strongest windows of clean pictures stand out. */
  async #learnWindows(clean: readonly Sample[], cells: CellProfile): Promise<WindowProfile> {
    const { tap, manifest } = this.#options;
    const sizes = WINDOW_SIZES.map((size) => Math.max(2, Math.round((size * Math.min(tap.width, tap.height)) / 80))).filter((size, i, all) => all.indexOf(size) === i);
    const mapper = new CellMapper(tap, cells, manifest.input);
    const integral = new IntegralImage(tap.width, tap.height);
    const greatest: Record<EvidenceView, number[][]> = { colour: [], grey: [] };
    for (const sample of clean) {
      const { tap: features } = await this.#look(sample, sample.pixels);
      const { evidence } = mapper.update(sample.pixels, features.data);
      for (const view of EVIDENCE_VIEWS) {
        integral.update(evidence[view]);
        greatest[view].push(WindowSearch.greatestBySize(integral, sizes));
      }
    }
    const scaleOf = (view: EvidenceView): number[] => sizes.map((_, i) => Math.max(1e-6, quantile(Float64Array.from(greatest[view], (row) => row[i]!).sort(), 0.9)));
    return { sizes, scale: { colour: scaleOf('colour'), grey: scaleOf('grey') } };
  }

  #profile(pictures: number, ordinary: Ordinary | undefined, scoreScale: number): GuardProfile {
    const { manifest, tap, search, finder, pictures: set } = this.#options;
    return {
      version: GUARD_PROFILE_VERSION,
      modelId: manifest.id,
      modelSha256: manifest.sha256,
      tap,
      calibratedOn: { description: set.description, pictures },
      search,
      ...(usesFinder(search) && { finder: { sha256: finder!.sha256 } }),
      ...ordinary,
      region: {},
      effect: { hiding: UNKNOWN_TAIL, makingUp: UNKNOWN_TAIL },
      evidence: {},
      thresholds: { flag: 1, appearing: 1, scoreScale },
    };
  }

  /** What tells pasted squares from ordinary regions, and from where on a region is worth a pass. */
  async #learnRegions(clean: readonly Sample[], pasted: readonly Sample[], profile: GuardProfile): Promise<{ readonly profile: GuardProfile['region']; readonly suspicion: readonly number[] }> {
    const search = new PatchSearch(profile, this.#options.manifest.input);
    const views = viewsOf(profile.search);
    const examples: Record<SearchView, RegionExample[]> = { colour: [], grey: [], finder: [] };
    for (const sample of pasted) {
      for (const { region, view, features } of search.examine(await this.#searchInput(sample))) {
        if (sample.pasted.some((square) => regionIou(square, region) >= FOUND_IOU)) examples[view].push({ features, isPasted: true });
      }
    }
    const ordinary: ExaminedRegion[][] = [];
    for (const sample of clean) {
      const regions = search.examine(await this.#searchInput(sample));
      ordinary.push(regions);
      for (const { view, features } of regions) examples[view].push({ features, isPasted: false });
    }
    const fit = (view: SearchView): ViewModel => {
      const model = fitRegions(examples[view], regionFeatureNames(view).length);
      return { ...model, trigger: Math.max(LEAST_TRIGGER, quantile(Float64Array.from(suspicionOf(ordinary, view, model)).sort(), 1 - TRIGGER_SHARE[profile.search][view]!)) };
    };
    const fitted = views.map((view) => [view, fit(view)] as const);
    const [first, model] = fitted[0]!;
    return { profile: Object.fromEntries(fitted), suspicion: suspicionOf(ordinary, first, model) };
  }

  async #searchInput(sample: Sample): Promise<SearchInput> {
    const { pixels, detections, tap } = await this.#look(sample, sample.pixels);
    return { pixels, tap, finder: await this.#finder?.find(pixels), detections, fit: sample.picture.fit };
  }

  /** What covering the most suspicious regions of clean pictures does, and from where on both together are more than that. */
  async #learnEffects(clean: readonly Sample[], profile: GuardProfile): Promise<LearntEffects> {
    const { scoreScale } = profile.thresholds;
    const search = new PatchSearch(profile, this.#options.manifest.input);
    const measured: MeasuredCandidate[][] = [];
    for (const sample of clean) {
      const input = await this.#searchInput(sample);
      const candidates = search.find(input, Number.NEGATIVE_INFINITY).slice(0, COVERED_PER_PICTURE);
      if (candidates.length === 0) continue;
      const pass = async (fills: readonly InputRegion[]): Promise<Detections> => (await this.#look(sample, sample.pixels, fills)).detections;
      measured.push([...(await measureEffects(candidates, { detections: input.detections, fit: sample.picture.fit, scoreScale }, pass)).measured]);
    }
    const [hiding, makingUp] = (['hiding', 'makingUp'] as const).map((kind) => measured.flat().map(({ action }) => action[kind])) as [number[], number[]];
    const tails = { hiding: tailOf(hiding, 0.05), makingUp: tailOf(makingUp, 0.05) };
    const worst = measured.map((regions) => Math.max(0, ...regions.filter(({ action }) => acts(action)).map((candidate) => Math.max(1e-6, certainty({ effect: tails }, candidate))))).filter((value) => value > 0);
    const flag = exceededBy(worst, clean.length, FLAG_SHARE, 0.5) ?? 0;
    const objects = measured.map((regions) => Math.max(0, ...regions.filter(({ vanished }) => vanished > 0).map(({ evidence }) => evidence))).filter((value) => value > 0);
    const appearing = exceededBy(objects, clean.length, FLAG_SHARE / 2, 0.5) ?? 0;
    return { tails, flag: Math.max(flag, LEAST_FLAG), appearing: Math.max(appearing, LEAST_APPEARING), distributions: { hiding: distributionOf(hiding), makingUp: distributionOf(makingUp) } };
  }
}

/** Of what clean pictures' regions seem to do when they are covered. */
interface LearntEffects {
  readonly tails: GuardProfile['effect'];
  readonly flag: number;
  readonly appearing: number;
  readonly distributions: Readonly<Record<keyof GuardProfile['effect'], CleanDistribution>>;
}

/** Before anything was covered. */
const UNKNOWN_TAIL: Tail = { from: 0, share: 1, scale: 1 };
/** Evidence over the trigger and surprise together: even where clean pictures have shown no effect at all. */
const LEAST_FLAG = 4;
/** Log odds: a scene in which nothing looks pasted in is no licence to suspect everything in others. */
const LEAST_TRIGGER = 0.5;

/** Of pictures in which nothing was looked at closely. */
const LEAST_SUSPICION = -20;
/** Log odds over the trigger: a thing that merely looks pasted in is no proof. */
const LEAST_APPEARING = 3;

class Moments {
  #count = 0;
  #sum = 0;
  #squares = 0;

  add(value: number): void {
    this.#count += 1;
    this.#sum += value;
    this.#squares += value * value;
  }

  get mean(): number {
    return this.#count > 0 ? this.#sum / this.#count : 0;
  }

  get deviation(): number {
    return Math.sqrt(Math.max(1e-8, this.#squares / Math.max(1, this.#count) - this.mean ** 2));
  }
}

interface RegionExample {
  readonly features: readonly number[];
  readonly isPasted: boolean;
}

/** A finder that shows nothing, not even where something was pasted in, has taught nothing: what it shows one day doesn't count. */
function fitRegions(examples: readonly RegionExample[], features: number): RegionModel {
  if (examples.length === 0) return { mean: zeros(features), deviation: ones(features), weights: zeros(features), bias: 0 };
  return fitLogistic(examples.map((example) => example.features), examples.map(({ isPasted }) => isPasted));
}

/** Log odds of the most suspicious region of each picture. */
function suspicionOf(pictures: readonly (readonly ExaminedRegion[])[], view: SearchView, model: RegionModel): number[] {
  return pictures.map((regions) => Math.max(LEAST_SUSPICION, ...regions.filter((examined) => examined.view === view).map(({ features }) => logOdds(model, features))));
}

function zeros(count: number): number[] {
  return new Array<number>(count).fill(0);
}

function ones(count: number): number[] {
  return new Array<number>(count).fill(1);
}

function around({ x, y }: { readonly x: number; readonly y: number }, side: number): InputRegion {
  return { left: x - side, top: y - side, right: x + side, bottom: y + side };
}

function isIn({ left, top, right, bottom }: InputRegion, cell: number, { stride, width }: ShallowTap): boolean {
  const x = ((cell % width) + 0.5) * stride;
  const y = (Math.floor(cell / width) + 0.5) * stride;
  return x >= left && x < right && y >= top && y < bottom;
}
