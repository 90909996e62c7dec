/**
 * How a frame's detections came about. `inferred`: the model saw all of it. `tile`: it saw the part that changed, the rest is known
 * from before. `reused`: nothing changed, the boxes are those of the last inference. `moved`: the same, moved with what they show.
 */
export type RedundancyAction = 'inferred' | 'tile' | 'reused' | 'moved';

/** What a redundancy gate decided for one frame. */
export interface RedundancyReport {
  readonly action: RedundancyAction;
  /** A short stable word: `first`, `changed`, `age`, `static`, `motion`. */
  readonly reason: string;
  /** Frames since the last inference of the whole picture; 0 where this was one. */
  readonly ageFrames: number;
  /** Work of the model in units of an inference of the whole picture: 1, 0, or what the tile costs. */
  readonly inferredShare: number;
}
