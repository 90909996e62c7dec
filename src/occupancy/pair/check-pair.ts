import type { ErrorCode } from '../../core/errors.js';
import { median } from '../../core/median.js';
import type { StereoRig } from '../../core/stereo-rig.js';
import { type CornerMatches, matchCorners } from './match-corners.js';
import { type Thumbnail, turnAround } from './thumbnail.js';

/** Something that is wrong with a pair of pictures. */
export interface PairFinding {
  readonly code: ErrorCode;
  /** Above 0, to 1: of how much what was seen speaks for it. */
  readonly confidence: number;
  readonly message: string;
  /** Of ERR_STEREO_MISALIGNED: how far the right picture lies too low, pixels of the full picture. */
  readonly rowErrorPx?: number;
}

/** Standard deviation of a picture that shows nothing, and the least of one that does; between them it may be fog or night. */
const FLAT = 1.5;
const LIVELY = 12;
/** Fewer say nothing. */
const MIN_MATCHES = 8;
/** Confidence of so many matches is half of what it can be. */
const HALF_MATCHES = 12;
/** Turned around, there are to be so many times more matches. */
const TURNED_LEAD = 3;
/** Pixels of the thumbnail: nearer to endless distance, a parallax has no sign. */
const FAR_PX = 1;
/** Of the matches with a sign. */
const SWAPPED_SHARE = 0.8;
/** Rows of the thumbnail: a pixel and a half at 880 pixels a row. */
const ROW_ERROR = 0.35;

/**
 * Looks at one pair for what makes stereo useless: nothing is found where everything is well, and nothing where too little is to be seen
 * to say (dark, plain or repetitive pictures).
 *
 * @param rig of the pictures, at any scale. @returns one finding at most: what is wrong first hides what else may be.
 */
export function checkPair(left: Thumbnail, right: Thumbnail, rig: StereoRig): PairFinding | undefined {
  const [l, r] = [left.of, right.of];
  if (l.width !== r.width || l.height !== r.height) {
    return { code: 'ERR_STEREO_SIZES', confidence: 1, message: `the left picture has ${l.width} x ${l.height} pixels, the right one ${r.width} x ${r.height}` };
  }
  const dead = findFlat(left, right);
  if (dead) return dead;
  const upright = matchCorners(left, right);
  const least = TURNED_LEAD * Math.max(1, upright.matches.length);
  // An upright pair isn't searched a second time.
  const turned = upright.corners >= Math.max(MIN_MATCHES, least) ? matchCorners(left, turnAround(right)) : undefined;
  if (turned && turned.matches.length >= Math.max(MIN_MATCHES, least)) return upsideDown(turned, upright, rig, left);
  if (upright.matches.length < MIN_MATCHES) return undefined;
  return findSwapped(upright, rig, left) ?? findMisaligned(upright, left);
}

function findFlat(left: Thumbnail, right: Thumbnail): PairFinding | undefined {
  const [l, r] = [deviationOf(left.pixels), deviationOf(right.pixels)];
  if (Math.min(l, r) > FLAT || Math.max(l, r) < LIVELY) return undefined;
  const side = l < r ? 'left' : 'right';
  return { code: 'ERR_STEREO_CAMERA_DEAD', confidence: 1 - Math.min(l, r) / Math.max(l, r), message: `the ${side} camera shows nothing` };
}

function upsideDown(turned: CornerMatches, upright: CornerMatches, rig: StereoRig, { size }: Thumbnail): PairFinding {
  // Turning the right picture puts the pair upright, or upside down as the left one is: then the parallax is that of swapped cameras.
  const { behind, ahead } = signsOf(turned, rig, size.width);
  const side = behind > ahead ? 'left' : 'right';
  const lead = 1 - upright.matches.length / turned.matches.length;
  return { code: 'ERR_STEREO_UPSIDE_DOWN', confidence: lead * trustOf(turned.matches.length), message: `the ${side} camera is upside down` };
}

function findSwapped(matches: CornerMatches, rig: StereoRig, { size }: Thumbnail): PairFinding | undefined {
  const { behind, ahead } = signsOf(matches, rig, size.width);
  if (behind < MIN_MATCHES || behind < SWAPPED_SHARE * (behind + ahead)) return undefined;
  return { code: 'ERR_STEREO_SWAPPED', confidence: (behind / (behind + ahead)) * trustOf(behind), message: 'left and right are swapped, or both cameras upside down' };
}

/** How many points lie at a distance that there is, and how many beyond the endless one. */
function signsOf({ matches }: CornerMatches, rig: StereoRig, width: number): { readonly behind: number; readonly ahead: number } {
  const shift = (rig.centreShiftPx * width) / rig.size.width;
  const parallaxes = matches.map(({ parallaxPx }) => parallaxPx + shift);
  return { behind: parallaxes.filter((parallax) => parallax < -FAR_PX).length, ahead: parallaxes.filter((parallax) => parallax > FAR_PX).length };
}

function findMisaligned({ matches }: CornerMatches, { size, of }: Thumbnail): PairFinding | undefined {
  const rows = matches.map(({ rowsDown }) => rowsDown);
  const offset = median(rows);
  if (Math.abs(offset) < ROW_ERROR) return undefined;
  const scale = of.height / size.height;
  const spread = median(rows.map((row) => Math.abs(row - offset)));
  const rowErrorPx = offset * scale;
  const message = `the rows of the right picture lie ${Math.abs(rowErrorPx).toFixed(1)} pixels too ${offset > 0 ? 'low' : 'high'}`;
  return { code: 'ERR_STEREO_MISALIGNED', confidence: (Math.abs(offset) / (Math.abs(offset) + spread)) * trustOf(matches.length), message, rowErrorPx };
}

function trustOf(matches: number): number {
  return matches / (matches + HALF_MATCHES);
}

function deviationOf(pixels: Uint8Array): number {
  let [sum, squares] = [0, 0];
  for (const pixel of pixels) {
    sum += pixel;
    squares += pixel * pixel;
  }
  return Math.sqrt(Math.max(0, squares / pixels.length - (sum / pixels.length) ** 2));
}
