/** Where on its ladder a governed stream worked on a frame. */
export interface OperatingPointReport {
  /** Place on the ladder, 0 is the cheapest. */
  readonly index: number;
  /** Name in events, messages and metrics: `yolox-nano-320-int8/2`. */
  readonly name: string;
}
