import { availableParallelism } from 'node:os';
import type { StreamDefinition } from '../../config/stream-definition.js';
import type { ModelStore } from '../../model-store/store.js';
import type { Factor, Sweep } from '../../study/design.js';
import type { Injection } from '../../study/injection.js';
import type { Perspective } from '../../study/perspectives.js';
import { DEFAULT_MODEL } from '../definitions.js';

/** Models that are tried besides the stream's own. */
const OTHER_MODELS = 3;
const LOW_THRESHOLD = '0.01';

/** A configuration of the user's pipeline: what a factor's level changes. */
export interface Setup {
  readonly definition: StreamDefinition;
  /** Copies of the stream that run side by side. */
  readonly streams: number;
  readonly subscribers: number;
  readonly injections: readonly Injection[];
  /** The source is seen through a link of our own that loses nothing. */
  readonly overHttp: boolean;
}

export interface SweepPlan {
  readonly sweeps: readonly Sweep[];
  /** What couldn't be planned here, and why. */
  readonly notes: readonly string[];
}

/** The stream as it is studied: paced where it can be, without end. */
export function usualSetup(definition: StreamDefinition): Setup {
  const { source } = definition;
  const paced = source.kind === 'file' || source.kind === 'dataset' ? { ...source, realtime: true, loop: true } : source;
  return { definition: { ...definition, source: paced }, streams: 1, subscribers: 0, injections: [], overHttp: false };
}

/** What is tried from the wished perspectives, on this machine with these models. */
export async function planSweeps({ source, stages }: StreamDefinition, perspectives: readonly Perspective[], store: ModelStore): Promise<SweepPlan> {
  const notes: string[] = [];
  const sweeps: Sweep[] = [];
  for (const perspective of perspectives) {
    const sweep = await sweepOf(perspective);
    if (sweep.factors.some(({ levels }) => levels.length > 1)) sweeps.push(sweep);
    else notes.push(`${perspective}: nothing to vary with this input on this machine`);
  }
  return { sweeps, notes };

  async function sweepOf(perspective: Perspective): Promise<Sweep> {
    switch (perspective) {
      case 'data':
        return { perspective, design: 'factorial', factors: [factor('content', 'as it is', 'mosaic', 'blank'), factor('threshold', 'usual', LOW_THRESHOLD)] };
      case 'io':
        return { perspective, design: 'one-at-a-time', factors: ioFactors() };
      case 'model':
        return { perspective, design: 'one-at-a-time', factors: await modelFactors() };
      case 'runtime':
        return { perspective, design: 'factorial', factors: [factor('mode', 'throughput', 'latency'), factor('streams', '1', '2'), factor('garbage', 'usual', 'storm')] };
      case 'hardware':
        return { perspective, design: 'factorial', factors: [factor('cpu', '100%', '75%', '50%'), factor('load', 'none', String(availableParallelism()))] };
      case 'end-to-end':
        return { perspective, design: 'one-at-a-time', factors: [factor('subscribers', '1', '4', '16')] };
    }
  }

  function ioFactors(): Factor[] {
    switch (source.kind) {
      case 'file':
        return [factor('source', 'file', 'http'), factor('pace', 'real time', 'as fast as possible')];
      case 'dataset':
        return [factor('pace', 'real time', 'as fast as possible')];
      case 'rtsp':
        return [factor('transport', 'tcp', 'udp')];
      case 'http':
        notes.push('io: an HTTP source can be read in one way only');
        return [];
    }
  }

  async function modelFactors(): Promise<Factor[]> {
    const own = stages.find(({ kind }) => kind === 'detector.yolo')?.options?.['model'];
    const usual = typeof own === 'string' ? own : DEFAULT_MODEL;
    const listed = await store.list();
    const usable = listed.filter(({ id, status, manifest }) => id !== usual && (status === 'included' || status === 'added') && manifest?.task === 'detection');
    const guarded = listed.some(({ id, guardProfile }) => id === usual && guardProfile !== undefined);
    const hasGuard = stages.some(({ kind }) => kind === 'guard.patch');
    if (usable.length > OTHER_MODELS) notes.push(`model: ${usable.length - OTHER_MODELS} more installed models were left out`);
    if (!guarded && !hasGuard) notes.push(`model: the guard was left out, ${usual} has no clean profile (lynceus guard calibrate)`);
    return [factor('model', usual, ...usable.slice(0, OTHER_MODELS).map(({ id }) => id)), ...(guarded && !hasGuard ? [factor('guard', 'off', 'on')] : [])];
  }
}

/** The usual setup with a level of a factor. */
export function withLevel(setup: Setup, name: string, level: string): Setup {
  const inject = (injection: Injection): Setup => ({ ...setup, injections: [...setup.injections, injection] });
  switch (name) {
    case 'content':
      return level === 'mosaic' || level === 'blank' ? inject({ kind: 'content', change: level, tiles: 4, share: 1 }) : setup;
    case 'threshold':
      return level === 'usual' ? setup : withDetectorOptions(setup, { confidenceThreshold: Number(level) });
    case 'source':
      return level === 'http' ? { ...setup, overHttp: true } : setup;
    case 'pace':
      return level === 'real time' ? setup : withSource(setup, { realtime: false });
    case 'transport':
      return withSource(setup, { transport: level });
    case 'model':
      return withDetectorOptions(setup, { model: level });
    case 'guard':
      return level === 'on' ? withGuard(setup) : setup;
    case 'mode':
      return withDetectorOptions(setup, { mode: level });
    case 'streams':
      return { ...setup, streams: Number(level) };
    case 'garbage':
      return level === 'storm' ? inject({ kind: 'gc', blockMs: 25, everyMs: 150 }) : setup;
    case 'cpu':
      return level === '100%' ? setup : inject({ kind: 'cpu', share: Number.parseInt(level, 10) / 100 });
    case 'load':
      return level === 'none' ? setup : inject({ kind: 'load', processes: Number(level) });
    case 'subscribers':
      return { ...setup, subscribers: Number(level) };
    default:
      throw new Error(`Invariant broken: no factor '${name}'`);
  }
}

function factor(name: string, ...levels: string[]): Factor {
  return { name, levels };
}

function withSource(setup: Setup, change: object): Setup {
  const { definition } = setup;
  return { ...setup, definition: { ...definition, source: { ...definition.source, ...change } } };
}

function withDetectorOptions(setup: Setup, options: Readonly<Record<string, unknown>>): Setup {
  const { definition } = setup;
  const stages = definition.stages.map((stage) => (stage.kind === 'detector.yolo' ? { ...stage, options: { ...stage.options, ...options } } : stage));
  return { ...setup, definition: { ...definition, stages } };
}

function withGuard(setup: Setup): Setup {
  const { definition } = setup;
  const stages = definition.stages.flatMap((stage) => (stage.kind === 'detector.yolo' ? [stage, { id: `${stage.id}-guard`, kind: 'guard.patch' }] : [stage]));
  return { ...setup, definition: { ...definition, stages } };
}
