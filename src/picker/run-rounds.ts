import { LatencyBench } from './latency-bench.js';

/** One thing to be measured: a network with a number of threads. */
export interface Configuration {
  readonly modelPath: string;
  readonly threads: number;
  /** Samples that are still wanted. */
  readonly runs: number;
}

export interface RoundOptions {
  /** Inferences in a row, before another configuration has its turn. */
  readonly burst?: number;
  /** After each burst: the configuration's place and what it gave. */
  readonly onSamples: (index: number, samplesUs: readonly number[]) => Promise<void> | void;
  /** Asked between bursts. */
  readonly isCancelled?: () => boolean;
}

const DEFAULT_BURST = 10;

/**
 * Measures configurations in turns, A B C then C B A, so that a slow minute of the machine slows all of them alike, until each has the
 * samples that are wanted.
 *
 * @throws AppError where one can't be loaded or run.
 */
export async function runRounds(configurations: readonly Configuration[], { burst = DEFAULT_BURST, onSamples, isCancelled = () => false }: RoundOptions): Promise<void> {
  const bench = new LatencyBench();
  try {
    const sessions: number[] = [];
    for (const { modelPath, threads } of configurations) sessions.push(await bench.load(modelPath, threads));
    const left = configurations.map(({ runs }) => runs);
    for (let round = 0; left.some((runs) => runs > 0); round += 1) {
      const order = [...configurations.keys()];
      if (round % 2 === 1) order.reverse();
      for (const index of order.filter((one) => left[one]! > 0)) {
        if (isCancelled()) return;
        const samples = await bench.run(sessions[index]!, Math.min(burst, left[index]!));
        left[index]! -= samples.length;
        await onSamples(index, samples);
      }
    }
  } finally {
    await bench.close();
  }
}
