import { assert } from '../../core/assert.js';
import type { Detections } from '../../core/detections.js';
import type { ImageFit } from '../../core/image-fit.js';
import type { ModelInput } from '../../core/manifest.js';
import type { OutputTensor } from '../../detector/output-tensor.js';
import type { EvidenceView, GuardProfile, WindowProfile } from '../profile.js';
import { EVIDENCE_VIEWS } from '../profile.js';
import type { InputRegion } from '../region.js';
import { CellMapper } from './cell-maps.js';
import { IntegralImage } from './integral-image.js';
import { type CellRegion, climb } from './refine-region.js';
import type { RegionEvidence } from './region-features.js';
import { inputBox, PATCH_SHARE } from './region-geometry.js';
import { type FoundWindow, WindowSearch } from './window-search.js';

/** Windows looked at closely: the strongest of the picture, and the strongest on objects that were nearly or weakly found. */
const STRONGEST_WINDOWS = 6;
const WINDOWS_ON_OBJECTS = 6;
/** A patch lies well inside of its object. */
const OBJECT_MARGIN = 0.1;

/** Finds the windows whose shallow features and pixels stand out. Owns its working memory: one a thread. */
export class EvidenceSearch {
  /** Of the picture that was looked at last. */
  readonly evidence: RegionEvidence;
  readonly #mapper: CellMapper;
  readonly #windows: Readonly<Record<EvidenceView, WindowSearch>>;
  readonly #box = new Float64Array(4);

  /** @param profile of a search by evidence */
  constructor({ tap, cells, windows }: GuardProfile, { width, height }: Pick<ModelInput, 'width' | 'height'>) {
    assert(cells && windows, 'a search by evidence has a profile of cells and windows');
    this.#mapper = new CellMapper(tap, cells, { width, height });
    const search = (view: EvidenceView): WindowSearch => new WindowSearch({ sizes: windows.sizes, scale: windows.scale[view] }, tap.width, tap.height);
    this.#windows = { colour: search('colour'), grey: search('grey') };
    this.evidence = regionEvidence(tap.stride, windows, this.#mapper);
  }

  /** @param pixels planes G, B, R; @param tap float32 [1, channels, height, width] */
  look(pixels: Uint8Array, tap: OutputTensor): void {
    const maps = this.#mapper.update(pixels, tap.data);
    for (const view of EVIDENCE_VIEWS) {
      this.evidence.views[view].update(maps.evidence[view]);
      this.#windows[view].update(this.evidence.views[view]);
    }
  }

  /**
   * The strongest windows of the picture and of objects that aren't found for sure, moved to where they stand out most; in pixels.
   *
   * @param mostConfidence of an object that is searched.
   */
  regions(view: EvidenceView, detections: Detections, fit: ImageFit, mostConfidence: number): InputRegion[] {
    const strongest = this.#windows[view].strongest(STRONGEST_WINDOWS);
    const onObjects = this.#onObjects(view, detections, fit, mostConfidence).filter(({ cells }) => !strongest.some((window) => isEqual(window.cells, cells)));
    return [...strongest, ...onObjects].map(({ cells }) => inPixels(climb(this.evidence.views[view], cells), this.evidence.stride));
  }

  /** The best window on each object. */
  #onObjects(view: EvidenceView, detections: Detections, fit: ImageFit, mostConfidence: number): FoundWindow[] {
    const { stride } = this.evidence;
    const windows: FoundWindow[] = [];
    for (let i = 0; i < detections.count && windows.length < WINDOWS_ON_OBJECTS; i += 1) {
      if (detections.confidence[i]! > mostConfidence) continue;
      inputBox(detections, i, fit, this.#box);
      const [left, top, right, bottom] = [this.#box[0]!, this.#box[1]!, this.#box[2]!, this.#box[3]!];
      const marginX = OBJECT_MARGIN * (right - left);
      const marginY = OBJECT_MARGIN * (bottom - top);
      const area = (right - left) * (bottom - top);
      const window = this.#windows[view].strongestWhere((l, t, size) => {
        const side = size * stride;
        if (side * side < PATCH_SHARE.least * area || side * side > PATCH_SHARE.most * area) return false;
        const x = l * stride + side / 2;
        const y = t * stride + side / 2;
        return x > left + marginX && x < right - marginX && y > top + marginY && y < bottom - marginY;
      });
      if (window) windows.push(window);
    }
    return windows;
  }
}

function regionEvidence(stride: number, windows: WindowProfile, { maps }: CellMapper): RegionEvidence {
  const integral = (): IntegralImage => new IntegralImage(maps.width, maps.height);
  return { stride, windows, views: { colour: integral(), grey: integral() }, maps };
}

function inPixels([left, top, right, bottom]: CellRegion, stride: number): InputRegion {
  return { left: left * stride, top: top * stride, right: right * stride, bottom: bottom * stride };
}

function isEqual(a: CellRegion, b: CellRegion): boolean {
  return a.every((side, i) => side === b[i]);
}
