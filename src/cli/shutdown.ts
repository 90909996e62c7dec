const SIGINT_STATUS = 130;

/** Turns the first SIGINT or SIGTERM into a request to drain and end; a second one ends at once. */
export class Shutdown {
  readonly requested: Promise<void>;
  #signal: NodeJS.Signals | undefined;
  readonly #listener: (signal: NodeJS.Signals) => void;

  constructor() {
    let request: () => void;
    this.requested = new Promise((resolve) => (request = resolve));
    this.#listener = (signal) => {
      if (this.#signal) process.exit(SIGINT_STATUS);
      this.#signal = signal;
      request();
    };
    process.on('SIGINT', this.#listener);
    process.on('SIGTERM', this.#listener);
  }

  /** 130 after an interrupt at the terminal; 0 after SIGTERM, which is how services are asked to end. */
  get exitStatus(): number {
    return this.#signal === 'SIGINT' ? SIGINT_STATUS : 0;
  }

  dispose(): void {
    process.off('SIGINT', this.#listener);
    process.off('SIGTERM', this.#listener);
  }
}
