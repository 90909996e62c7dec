import type { Admission } from '../core/admission.js';
import { assert } from '../core/assert.js';
import { monotonicMs } from '../core/clock.js';
import { type Detections, NO_DETECTIONS } from '../core/detections.js';
import type { Frame } from '../core/frame.js';
import type { RedundancyReport } from '../core/redundancy-report.js';
import type { FrameResult } from '../core/result.js';
import type { Size } from '../core/size.js';
import type { Stage, StageContext } from '../core/stage.js';
import { type Decision, RedundancyGate, type GateOptions } from './redundancy-gate.js';
import { type Sight, sightOf } from './sight.js';
import { tileFrame, type Tile } from './tile.js';

/** A detector for parts of the picture, at the scale of the whole one. */
export interface TileDetector {
  readonly stage: Stage;
  readonly size: Size;
}

export interface FrameRedundancyOptions extends Omit<GateOptions, 'tile'> {
  /** The detector as it would be without a gate. */
  readonly detector: Stage;
  readonly tile?: TileDetector | undefined;
}

interface TileWorker extends TileDetector {
  /** Pixels of the tile that is in work: there is one at a time. */
  readonly bytes: Uint8Array;
}

type TileDecision = Extract<Decision, { readonly action: 'tile' }>;

/** A turn of the detector's workers that a frame may use. */
interface Turn {
  isUsed: boolean;
}

/** Of a frame that wasn't looked at. */
const UNSEEN = { action: 'inferred', reason: 'changed' } as const;

/** A frame at the detector. */
interface Work {
  readonly input: FrameResult;
  /** Absent where the gate didn't look. */
  readonly sight: Sight | undefined;
  readonly context: StageContext;
}

interface SeenWork extends Work {
  readonly sight: Sight;
}

/**
 * One stream's redundancy: what its two stages share. The gate's stage takes each frame's thumbnail; the detector's stage decides, in the
 * order of frames, and runs the detector or says what is known. A frame that the model need not see asks for no turn of its workers.
 */
export class FrameRedundancy {
  readonly #detector: Stage;
  readonly #tile: TileWorker | undefined;
  readonly #gate: RedundancyGate;
  readonly #sights = new WeakMap<Frame, Sight | undefined>();
  #newest: { readonly sight: Sight | undefined } | undefined;
  /** While a frame is let in with one. */
  #turn: Turn | undefined;
  /** Settles when the frame before has been decided on. */
  #decided: Promise<void> = Promise.resolve();
  #undecided = 0;
  /** Settles when the inference that was begun last is done. */
  #inWork: Promise<void> | undefined;
  #isTileInWork = false;
  #ageFrames = 0;

  constructor({ detector, tile, ...options }: FrameRedundancyOptions) {
    this.#detector = detector;
    this.#tile = tile && { ...tile, bytes: new Uint8Array(new SharedArrayBuffer(3 * tile.size.width * tile.size.height)) };
    this.#gate = new RedundancyGate({ ...options, tile: tile?.size });
  }

  get concurrency(): number {
    return this.#detector.concurrency;
  }

  /** A frame that is expected to be inferred waits for its stream's turn, and is the newest then; others come in at once. */
  readonly admission: Admission = {
    request: (granted, asker) => {
      const turns = this.#detector.admission;
      if (turns && this.#expectsInference()) return turns.request(() => this.#letInWithTurn(granted), asker);
      granted();
      return () => undefined;
    },
  };

  /** For each frame that comes in. */
  look(frame: Frame): void {
    const sight = this.#gate.looksAt(frame.ptsUs) ? sightOf(frame) : undefined;
    this.#sights.set(frame, sight);
    this.#newest = { sight };
  }

  /** For a frame that was looked at: adds `detections` and `redundancy`. */
  async detect(input: FrameResult, context: StageContext): Promise<FrameResult> {
    const sight = this.#sights.get(input.frame);
    assert(this.#sights.has(input.frame), `frame ${input.frame.sequence} comes to the detector without having passed the gate`);
    const work: Work = { input, sight, context };
    const decision = this.#undecided === 0 ? this.#decide(sight) : undefined;
    return decision ? this.#carryOut(work, decision, this.#turn) : this.#carryOutInOrder(work);
  }

  #letInWithTurn(granted: () => boolean): boolean {
    const turn: Turn = { isUsed: false };
    this.#turn = turn;
    granted();
    this.#turn = undefined;
    return turn.isUsed;
  }

  /** The newest frame is the one that waits, wherever frames are dropped at all. */
  #expectsInference(): boolean {
    return this.#newest !== undefined && this.#undecided === 0 && this.#decide(this.#newest.sight)?.action === 'inferred';
  }

  /** Undefined where it depends on an inference that isn't done. */
  #decide(sight: Sight | undefined): Decision | undefined {
    if (!sight) return UNSEEN;
    if (!this.#inWork) return this.#gate.decide(sight);
    return this.#isTileInWork ? undefined : this.#gate.decideByPixels(sight);
  }

  /** Waits for the decision on the frame before, and for what this one depends on. */
  async #carryOutInOrder(work: Work): Promise<FrameResult> {
    const before = this.#decided;
    let decided = (): void => undefined;
    this.#decided = new Promise((resolve) => (decided = resolve));
    this.#undecided += 1;
    let outcome: FrameResult | Promise<FrameResult>;
    try {
      await before;
      let decision = this.#decide(work.sight);
      while (!decision) {
        await this.#inWork;
        decision = this.#decide(work.sight);
      }
      outcome = this.#carryOut(work, decision);
    } finally {
      this.#undecided -= 1;
      decided();
    }
    return outcome;
  }

  #carryOut(work: Work, decision: Decision, turn?: Turn): FrameResult | Promise<FrameResult> {
    if (decision.action === 'inferred') {
      if (turn) turn.isUsed = true;
      this.#ageFrames = 0;
      this.#begin(work);
      return this.#keepInWork(this.#infer(work, decision, turn !== undefined), false);
    }
    const { sight } = work;
    assert(sight, 'a frame that was not looked at is inferred whole');
    this.#ageFrames += 1;
    if (decision.action === 'tile' && this.#tile) return this.#keepInWork(this.#inferTile({ ...work, sight }, decision, this.#tile), true);
    return this.#skip({ ...work, sight }, decision);
  }

  #begin({ sight, input }: Work): void {
    if (sight) this.#gate.beginWhole(sight);
    else this.#gate.beginUnseen(input.frame.ptsUs);
  }

  #keepInWork(result: Promise<FrameResult>, isTile: boolean): Promise<FrameResult> {
    const settled: Promise<void> = result.then(
      () => this.#isDone(settled),
      () => this.#isDone(settled),
    );
    this.#inWork = settled;
    this.#isTileInWork = isTile;
    return result;
  }

  #isDone(settled: Promise<void>): void {
    if (this.#inWork === settled) this.#inWork = undefined;
  }

  #skip({ input, sight, context }: SeenWork, decision: Decision): FrameResult {
    const startMs = monotonicMs();
    const detections = this.#gate.skipped(sight, decision);
    if (decision.action === 'moved') context.part('move', startMs, monotonicMs());
    return { ...input, detections, redundancy: this.#report(decision, 0) };
  }

  async #infer({ input, sight, context }: Work, { action, reason }: Pick<RedundancyReport, 'action' | 'reason'>, hasTurn: boolean, shareBefore = 0): Promise<FrameResult> {
    try {
      const result = await runWithTurn(this.#detector, input, context, hasTurn);
      this.#gate.seenWhole(sight, result.detections ?? NO_DETECTIONS);
      return { ...result, redundancy: { action, reason, ageFrames: 0, inferredShare: 1 + shareBefore } };
    } catch (error) {
      this.#gate.failed();
      throw error;
    }
  }

  async #inferTile(work: SeenWork, decision: TileDecision, tile: TileWorker): Promise<FrameResult> {
    const { input, sight } = work;
    const report = this.#report(decision, shareOf(tile.size, input.frame.format.size));
    const detections = await this.#findInTile(work, decision.tile, tile);
    if (detections) return { ...input, detections, redundancy: report };
    // What the tile can't show is asked of the whole picture.
    this.#ageFrames = 0;
    this.#gate.beginWhole(sight);
    return this.#infer(work, { action: 'inferred', reason: decision.reason }, false, report.inferredShare);
  }

  async #findInTile({ input, sight, context }: SeenWork, tile: Tile, { stage, bytes }: TileWorker): Promise<Detections | undefined> {
    try {
      const frame = tileFrame(input.frame, tile, bytes);
      const { detections } = await runWithTurn(stage, { ...input, frame }, context, false);
      return this.#gate.seenTile(sight, tile, detections ?? NO_DETECTIONS);
    } catch (error) {
      this.#gate.failed();
      throw error;
    }
  }

  #report({ action, reason }: Decision, inferredShare: number): RedundancyReport {
    return { action, reason, ageFrames: this.#ageFrames, inferredShare };
  }
}

/** Stages give their turn back themselves. */
async function runWithTurn(stage: Stage, input: FrameResult, context: StageContext, hasTurn: boolean): Promise<FrameResult> {
  if (!hasTurn) await turnOf(stage);
  return stage.process(input, context);
}

async function turnOf(stage: Stage): Promise<void> {
  const { admission } = stage;
  if (!admission) return;
  await new Promise<void>((resolve) => {
    admission.request(() => {
      resolve();
      return true;
    }, stage);
  });
}

function shareOf(part: Size, whole: Size): number {
  return (part.width * part.height) / (whole.width * whole.height);
}
