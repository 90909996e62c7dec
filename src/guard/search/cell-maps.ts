import type { Size } from '../../core/size.js';
import type { CellProfile, EvidenceView, ShallowTap } from '../profile.js';

/** Features of a cell beside the channels of the tap, from the pixels themselves. */
export const PIXEL_FEATURES = ['chromaGradient', 'lumaGradient', 'saturation'] as const;
export const PIXEL_FEATURE_COUNT = PIXEL_FEATURES.length;

/** Deviations over it count as so many: one odd channel alone makes no patch. */
const MAX_DEVIATIONS = 6;

/** Maps on the grid of the tap, row by row: `width * height` numbers each. Overwritten by the next picture. */
export interface CellMaps {
  readonly width: number;
  readonly height: number;
  /** Weighted sums of all features: high where a cell looks like a part of something pasted in. */
  readonly evidence: Readonly<Record<EvidenceView, Float32Array>>;
  /** Mean absolute difference of R - G and B - G to the next pixel right and below, 0 to 1020. */
  readonly chromaGradient: Float32Array;
  /** The same of (R + G + B) / 3, 0 to 510. */
  readonly lumaGradient: Float32Array;
  /** Mean |R - G| + |B - G|, 0 to 510. */
  readonly saturation: Float32Array;
}

/** Makes the maps of one picture after the other in the same memory: one a thread. */
export class CellMapper {
  readonly maps: CellMaps;
  readonly #tap: ShallowTap;
  readonly #profile: CellProfile;
  readonly #size: Size;

  constructor(tap: ShallowTap, profile: CellProfile, size: Size) {
    this.#tap = tap;
    this.#profile = profile;
    this.#size = size;
    const map = (): Float32Array => new Float32Array(tap.width * tap.height);
    this.maps = { width: tap.width, height: tap.height, evidence: { colour: map(), grey: map() }, chromaGradient: map(), lumaGradient: map(), saturation: map() };
  }

  /**
   * @param pixels planes G, B, R of the model input.
   * @param features of the tap: `channels * height * width` numbers.
   */
  update(pixels: Uint8Array, features: Float32Array): CellMaps {
    this.#pixelMaps(pixels);
    this.#evidence(features);
    return this.maps;
  }

  /** Features of one cell, standardised: |deviation| of each channel, then `PIXEL_FEATURES`. For calibration, after `update`. */
  featuresOf(cell: number, features: Float32Array, out: Float32Array): void {
    const { channels, width, height } = this.#tap;
    const { mean, deviation, pixelMean, pixelDeviation } = this.#profile;
    for (let c = 0; c < channels; c += 1) out[c] = Math.min(Math.abs(features[c * width * height + cell]! - mean[c]!) / deviation[c]!, MAX_DEVIATIONS);
    PIXEL_FEATURES.forEach((name, i) => (out[channels + i] = (this.maps[name][cell]! - pixelMean[i]!) / pixelDeviation[i]!));
  }

  /** Both views in one go: reading the features is what costs. */
  #evidence(features: Float32Array): void {
    const { channels } = this.#tap;
    const { mean, deviation, pixelMean, pixelDeviation, weights } = this.#profile;
    const { colour, grey } = this.maps.evidence;
    const cells = colour.length;
    colour.fill(0);
    grey.fill(0);
    for (let c = 0; c < channels; c += 1) {
      const ofColour = weights.colour[c]!;
      const ofGrey = weights.grey[c]!;
      const centre = mean[c]!;
      const inverse = 1 / deviation[c]!;
      for (let i = 0, from = c * cells; i < cells; i += 1, from += 1) {
        const deviations = Math.min(Math.abs(features[from]! - centre) * inverse, MAX_DEVIATIONS);
        colour[i] = colour[i]! + ofColour * deviations;
        grey[i] = grey[i]! + ofGrey * deviations;
      }
    }
    PIXEL_FEATURES.forEach((name, p) => {
      const map = this.maps[name];
      const ofColour = weights.colour[channels + p]! / pixelDeviation[p]!;
      const ofGrey = weights.grey[channels + p]! / pixelDeviation[p]!;
      const centre = pixelMean[p]!;
      for (let i = 0; i < cells; i += 1) {
        const above = map[i]! - centre;
        colour[i] = colour[i]! + ofColour * above;
        grey[i] = grey[i]! + ofGrey * above;
      }
    });
  }

  /** Two pixels of each cell, on its diagonal, stand for it: all of them would cost four times as much and tell little more. */
  #pixelMaps(pixels: Uint8Array): void {
    const { width, height } = this.#size;
    const { stride, width: columns, height: rows } = this.#tap;
    const plane = width * height;
    const { chromaGradient, lumaGradient, saturation } = this.maps;
    const step = Math.max(1, stride >> 1);
    for (let row = 0, cell = 0; row < rows; row += 1) {
      const y0 = Math.min(row * stride, height - 2 - step);
      for (let column = 0; column < columns; column += 1, cell += 1) {
        const x0 = Math.min(column * stride, width - 2 - step);
        let chroma = 0;
        let luma = 0;
        let colour = 0;
        for (let k = 0, at = y0 * width + x0; k < 2; k += 1, at += step * (width + 1)) {
          const g = pixels[at]!;
          const b = pixels[at + plane]!;
          const r = pixels[at + 2 * plane]!;
          const gRight = pixels[at + 1]! - g;
          const bRight = pixels[at + plane + 1]! - b;
          const rRight = pixels[at + 2 * plane + 1]! - r;
          const gBelow = pixels[at + width]! - g;
          const bBelow = pixels[at + plane + width]! - b;
          const rBelow = pixels[at + 2 * plane + width]! - r;
          chroma += Math.abs(rRight - gRight) + Math.abs(bRight - gRight) + Math.abs(rBelow - gBelow) + Math.abs(bBelow - gBelow);
          luma += Math.abs(gRight + bRight + rRight) + Math.abs(gBelow + bBelow + rBelow);
          colour += Math.abs(r - g) + Math.abs(b - g);
        }
        chromaGradient[cell] = chroma / 2;
        lumaGradient[cell] = luma / 6;
        saturation[cell] = colour / 2;
      }
    }
  }
}
