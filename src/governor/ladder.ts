/** One way to run a model, as the ladder sees it. */
export interface Rung {
  /** Name in events, messages and metrics: `centernet-coco-384x384/2`. */
  readonly name: string;
  /** Service time of one inference at the machine's own speed, milliseconds, with scaling and decoding. */
  readonly detectMs: number;
  /** Every so many frames are inferred, 1 or more; the boxes of the others are moved. */
  readonly every: number;
  /** Figure of accuracy, higher is better; only the order counts. Measured (AP50, 0 to 1) or ranked by `accuracyRank`. */
  readonly accuracy: number;
}

/** What moving boxes costs a frame that isn't inferred, milliseconds: a thumbnail and block matching of some dozen boxes. */
export const MOVE_MS = 0.5;

/** Neighbours that cost nearly the same are one: moving between them would be for nothing. */
const LEAST_STEP = 1.03;

/** Mean time that a point costs a frame, milliseconds. */
export function frameMsOf({ detectMs, every }: Pick<Rung, 'detectMs' | 'every'>): number {
  return (detectMs + (every - 1) * MOVE_MS) / every;
}

/**
 * The points that are worth having, cheapest first. What costs more than another and finds no more is left out.
 *
 * @param noise differences of accuracy up to this say nothing: a dearer point that seems worse by so little stays, since each step that
 * is missing makes the time less even.
 */
export function buildLadder<R extends Rung>(rungs: readonly R[], noise = 0): R[] {
  const byCost = rungs.toSorted((a, b) => frameMsOf(a) - frameMsOf(b) || b.accuracy - a.accuracy);
  const ladder: R[] = [];
  let best = -Infinity;
  for (const rung of byCost) {
    const below = ladder.at(-1);
    if (rung.accuracy + noise <= best) continue;
    best = Math.max(best, rung.accuracy);
    if (below && frameMsOf(rung) < frameMsOf(below) * LEAST_STEP) ladder.pop();
    ladder.push(rung);
  }
  return ladder;
}

/** What is known of a point that nobody has measured the accuracy of. */
export interface PointFacts {
  /** Pixels of the network's input, as a share of the best point's, 0 to 1. */
  readonly pixelShare: number;
  readonly precision: 'fp32' | 'fp16' | 'int8';
  /** Whether anchors were taken out of the head. */
  readonly isPruned: boolean;
  /** What its width is worth, see `widthWorth`; 1 for all of it. */
  readonly widthWorth: number;
  readonly every: number;
}

/** AP50 goes with this power of the pixels, roughly: a quarter of them finds 70 % as much. */
const AP50_BY_PIXELS = 1 / 4;

/**
 * The share of the pixels that a narrower network is worth, 0 to 1: as many as find as much, where AP50 was measured for both; else as many as cost as much.
 *
 * @param dense the whole network; macs and AP50 (0 to 1) are of the same pictures as those of the narrower one.
 */
export function widthWorth(narrower: WidthFacts, dense: WidthFacts): number {
  const measured = narrower.ap50 !== undefined && dense.ap50 !== undefined && dense.ap50 > 0;
  return Math.min(1, measured ? (narrower.ap50 / dense.ap50) ** (1 / AP50_BY_PIXELS) : narrower.macs / dense.macs);
}

/** What is known of one width of a network. */
export interface WidthFacts {
  readonly macs: number;
  readonly ap50?: number | undefined;
}

/**
 * An order where no accuracy was measured: more pixels find more, wider networks too; 8-bit weights, fewer anchors and moved boxes lose a little, as much as
 * a tenth, a twentieth and an eighth of the pixels. A rule of thumb: `lynceus bench --governor` measures.
 */
export function accuracyRank({ pixelShare, precision, isPruned, widthWorth: width, every }: PointFacts): number {
  return pixelShare * width * (precision === 'int8' ? 0.9 : 1) * (isPruned ? 0.95 : 1) * 0.875 ** (every - 1);
}
