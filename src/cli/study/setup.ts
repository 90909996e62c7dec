import type { StageDefinition, StreamDefinition } from '../../config/stream-definition.js';
import type { Injection } from '../../study/injection.js';
import { DEFAULT_MODEL } from '../definitions.js';
import type { PatchRequest } from './run-request.js';

/** What is done to the machine around a run, from outside of its process. */
export interface Surroundings {
  /** The only processors that the run may use, by number. */
  readonly processors?: readonly number[];
  /** CPU time that the run's control group gets, as a share of all processors, over 0 to 1. */
  readonly quotaShare?: number;
  /** Of cpufreq, for all processors. */
  readonly governor?: string;
  readonly maxKhz?: number;
}

/** A configuration of the user's pipeline: what a factor's level changes. */
export interface Setup {
  readonly definition: StreamDefinition;
  /** Copies of the stream that run side by side. */
  readonly streams: number;
  readonly subscribers: number;
  readonly injections: readonly Injection[];
  /** The source is seen through a link of our own that loses nothing. */
  readonly overHttp: boolean;
  /** Pasted on every picture. */
  readonly patch: PatchRequest | undefined;
  readonly surroundings: Surroundings;
}

/** The stream as it is studied: paced where it can be, without end. */
export function usualSetup(definition: StreamDefinition): Setup {
  return { definition: { ...definition, source: endless(definition.source) }, streams: 1, subscribers: 0, injections: [], overHttp: false, patch: undefined, surroundings: {} };
}

/** A source in real time and without end, where it can be. */
export function endless(source: StreamDefinition['source']): StreamDefinition['source'] {
  return source.kind === 'file' || source.kind === 'dataset' ? { ...source, realtime: true, loop: true } : source;
}

export function detectorOf(stages: readonly StageDefinition[]): StageDefinition | undefined {
  return stages.find(({ kind }) => kind === 'detector.yolo');
}

/** Id or path of the first detector's model. */
export function modelOfStages(stages: readonly StageDefinition[]): string {
  const model = detectorOf(stages)?.options?.['model'];
  return typeof model === 'string' ? model : DEFAULT_MODEL;
}

export function withInjection(setup: Setup, injection: Injection): Setup {
  return { ...setup, injections: [...setup.injections, injection] };
}

export function withSource(setup: Setup, change: object): Setup {
  const { definition } = setup;
  return { ...setup, definition: { ...definition, source: { ...definition.source, ...change } } };
}

export function withSurroundings(setup: Setup, change: Surroundings): Setup {
  return { ...setup, surroundings: { ...setup.surroundings, ...change } };
}

/** Options of every detector; `session` is added to what it says already, all else takes the place of what was there. */
export function withDetectorOptions(setup: Setup, { session, ...options }: Readonly<Record<string, unknown>>): Setup {
  const { definition } = setup;
  const stages = definition.stages.map((stage) => {
    if (stage.kind !== 'detector.yolo') return stage;
    const sessionOptions = session === undefined ? {} : { session: { ...(stage.options?.['session'] as object | undefined), ...session } };
    return { ...stage, options: { ...stage.options, ...options, ...sessionOptions } };
  });
  return { ...setup, definition: { ...definition, stages } };
}

/** A guard behind every detector. */
export function withGuard(setup: Setup): Setup {
  const { definition } = setup;
  const stages = definition.stages.flatMap((stage) => (stage.kind === 'detector.yolo' ? [stage, { id: `${stage.id}-guard`, kind: 'guard.patch' }] : [stage]));
  return { ...setup, definition: { ...definition, stages } };
}
