/** What an optimiser makes smaller. */
export interface PatchObjective {
  /**
   * @param candidates patches: `grid * grid` colours, red, green and blue in turn, 0 to 1, rows from the top.
   * @param draw circumstances (pictures, places, light): equal numbers are equal circumstances, so that candidates can be compared.
   * @returns one loss for each candidate; lower is the stronger attack.
   */
  losses(candidates: readonly Float32Array[], draw: number): Promise<number[]>;
  /** What one loss costs. */
  readonly queriesPerLoss: number;
}

/** How far a search has come: all that it needs to go on, but for its settings. */
export interface SearchState {
  readonly step: number;
  readonly queries: number;
  /** The patch so far. */
  readonly colours: Float32Array;
  /** Of `colours`, in the circumstances of the last step. */
  readonly loss: number;
  /** Moving mean of gradients; nothing but zeros where the method has none. */
  readonly momentum: Float32Array;
}

export interface SearchSettings {
  /** Cells a side of the patch. */
  readonly grid: number;
  readonly seed: number;
  /** Queries in all: searches grow finer towards the end. */
  readonly budget: number;
}

/** A way to search: pure steps, so that a search that is interrupted and resumed ends as one that wasn't. */
export interface SearchMethod {
  /** Losses that the next step asks for, at most. */
  readonly lossesPerStep: number;
  step(state: SearchState, objective: PatchObjective, settings: SearchSettings): Promise<SearchState>;
}
