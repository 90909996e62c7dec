/** Where on its ladder a governed stream worked on a frame. */
export interface OperatingPointReport {
  /** Place on the ladder, 0 is the cheapest. */
  readonly index: number;
  /** Name in events, messages and metrics: `yolox-nano-320-int8/2`. */
  readonly name: string;
}

/**
 * Why a governor moved. `breach`: frames were late. `slower`: the machine has become slower, frames would soon be late. `faster`: there is
 * room for a better point. `floor`: nothing cheaper is left, and frames are late all the same (from and to are the same then).
 */
export type MoveReason = 'breach' | 'slower' | 'faster' | 'floor';

/** A stream begins to work at another operating point. */
export interface OperatingPointMove {
  /** Wall clock. */
  readonly epochMs: number;
  readonly from: OperatingPointReport;
  readonly to: OperatingPointReport;
  readonly reason: MoveReason;
  /** For people: with the numbers that made it so. */
  readonly message: string;
}

/** What a running stream may know of its governor. */
export interface Governed {
  readonly point: OperatingPointReport;
  /** Called with every move, from the first on that comes after it was set. */
  onMoved: (move: OperatingPointMove) => void;
}
