import { availableParallelism } from 'node:os';
import type { SourceDefinition, StreamDefinition } from '../../config/stream-definition.js';
import type { ModelManifest } from '../../core/manifest.js';
import { layoutOf } from '../../detector/model-workers.js';
import { GRAPH_OPTIMIZATIONS } from '../../inference/session-tuning.js';
import type { ListedModel } from '../../model-store/store.js';
import { allowedProcessors } from '../../study/allowed-processors.js';
import { readCpuFrequency } from '../../study/cpu-frequency.js';
import type { Perspective } from '../../study/perspectives.js';
import { deliveryOf } from '../sources.js';
import { workerSettingsOf } from '../stages.js';
import type { OtherInputs } from './other-inputs.js';
import type { PatchRequest } from './run-request.js';
import { detectorOf, endless, modelOfStages, type Setup, withDetectorOptions, withGuard, withInjection, withSource, withSurroundings } from './setup.js';
import { canPin, quotaFault } from './surroundings.js';

/** One level of a factor: its name, and what it changes. */
export interface Level {
  readonly name: string;
  readonly apply: (setup: Setup) => Setup;
}

/** A factor of a pipeline. The first level is the usual one and changes nothing. */
export interface StudyFactor {
  readonly name: string;
  readonly levels: readonly Level[];
}

/** What a factor is made for. */
export interface FactorContext {
  readonly definition: StreamDefinition;
  /** Models of the store, installed and not. */
  readonly listed: readonly ListedModel[];
  readonly patch: PatchRequest;
  /** Made when it is first asked for. */
  readonly otherInputs: () => Promise<OtherInputs>;
  /** Tells what can't be tried here, and why. */
  readonly note: (text: string) => void;
}

/** Undefined where there is nothing to vary; why not has been noted where it isn't plain. */
type FactorMaker = (context: FactorContext) => Promise<StudyFactor | undefined> | StudyFactor | undefined;

/** All factors, in the order in which they are told. */
export const FACTORS: Readonly<Record<Perspective, Readonly<Record<string, FactorMaker>>>> = {
  data: { content, threshold, size, patch: patchFactor },
  io: { source: sourceFactor, pace, transport },
  model: { model: modelFactor, anchors, precision, guard },
  runtime: { mode, sessions, threads, spinning, arena, optimisation, streams, garbage },
  hardware: { cpu, load, affinity, quota, governor: governorFactor, frequency },
  'end-to-end': { subscribers },
};

/** Factors whose effects on each other are looked at also where none is asked for; all others vary alone. */
export const CROSSED: Readonly<Record<Perspective, readonly (readonly string[])[]>> = {
  data: [['content', 'threshold']],
  io: [],
  model: [],
  // Only a session of several threads has threads that could spin.
  runtime: [['mode', 'spinning']],
  hardware: [['cpu', 'load']],
  'end-to-end': [],
};

const LOW_THRESHOLD = 0.01;
/** Models that are tried besides the stream's own and its variants. */
const OTHER_MODELS = 3;

const same = (setup: Setup): Setup => setup;

/** The usual level, which changes nothing, and others. */
function factor(name: string, usual: string, others: readonly Level[]): StudyFactor {
  return { name, levels: [{ name: usual, apply: same }, ...others] };
}

function content(): StudyFactor {
  const changed = (change: 'mosaic' | 'blank'): Level => ({ name: change, apply: (setup) => withInjection(setup, { kind: 'content', change, tiles: 4, share: 1 }) });
  return factor('content', 'as it is', [changed('mosaic'), changed('blank')]);
}

function threshold(): StudyFactor {
  return factor('threshold', 'usual', [{ name: String(LOW_THRESHOLD), apply: (setup) => withDetectorOptions(setup, { confidenceThreshold: LOW_THRESHOLD }) }]);
}

const SIZES: Readonly<Record<string, number>> = { half: 0.5, quarter: 0.25 };

async function size({ definition: { source }, otherInputs, note }: FactorContext): Promise<StudyFactor | undefined> {
  if (source.kind !== 'file' && source.kind !== 'dataset') {
    note('data.size: the pictures of a live source come as they are');
    return undefined;
  }
  try {
    const inputs = await otherInputs();
    const levels: Level[] = [];
    for (const [name, share] of Object.entries(SIZES)) levels.push(fromSource(name, await inputs.scaled(source, share)));
    return factor('size', 'full', levels);
  } catch (error) {
    note(`data.size: ${(error as Error).message}`);
    return undefined;
  }
}

function fromSource(name: string, source: SourceDefinition): Level {
  return { name, apply: (setup) => ({ ...setup, definition: { ...setup.definition, source: endless(source) } }) };
}

function patchFactor({ patch }: FactorContext): StudyFactor {
  return factor('patch', 'none', [{ name: patch.file === undefined ? 'noise' : 'pasted', apply: (setup) => ({ ...setup, patch }) }]);
}

async function sourceFactor({ definition: { source }, otherInputs, note }: FactorContext): Promise<StudyFactor | undefined> {
  if (source.kind === 'http') note('io.source: an HTTP source can be read in one way only');
  if (source.kind !== 'file') return undefined;
  const levels: Level[] = [{ name: 'http', apply: (setup) => ({ ...setup, overHttp: true }) }];
  try {
    levels.push(fromSource('folder', await (await otherInputs()).pictures(source.path)));
  } catch (error) {
    note(`io.source, folder: ${(error as Error).message}`);
  }
  return factor('source', 'file', levels);
}

function pace({ definition: { source } }: FactorContext): StudyFactor | undefined {
  if (source.kind !== 'file' && source.kind !== 'dataset') return undefined;
  return factor('pace', 'real time', [{ name: 'as fast as possible', apply: (setup) => withSource(setup, { realtime: false }) }]);
}

function transport({ definition: { source } }: FactorContext): StudyFactor | undefined {
  if (source.kind !== 'rtsp') return undefined;
  const usual = source.transport ?? 'tcp';
  const other = usual === 'tcp' ? 'udp' : 'tcp';
  return factor('transport', usual, [{ name: other, apply: (setup) => withSource(setup, { transport: other }) }]);
}

/** Installed detectors that the stream could run. */
function usable({ definition, listed }: FactorContext): readonly (ListedModel & { readonly manifest: ModelManifest })[] {
  const own = modelOfStages(definition.stages);
  return listed.flatMap((one) => {
    const { id, status, manifest } = one;
    return id !== own && manifest !== undefined && (status === 'included' || status === 'added') ? [{ ...one, manifest }] : [];
  });
}

/** Lineage steps that make one model of another, by what they are called here. */
const VARIANT_STEPS = { anchors: 'prune-anchors', precision: 'quantize' } as const;

/** Models that were made of the stream's own, the last step of their lineage being this one. */
function variants(context: FactorContext, step: (typeof VARIANT_STEPS)[keyof typeof VARIANT_STEPS]): readonly ModelManifest[] {
  const own = modelOfStages(context.definition.stages);
  return usable(context).flatMap(({ manifest }) => (manifest.lineage.parent === own && manifest.lineage.operations.at(-1)?.kind === step ? [manifest] : []));
}

function modelLevel(name: string, model: string): Level {
  return { name, apply: (setup) => withDetectorOptions(setup, { model }) };
}

function modelFactor(context: FactorContext): StudyFactor {
  const own = new Set(Object.values(VARIANT_STEPS).flatMap((step) => variants(context, step).map(({ id }) => id)));
  // Networks of their own before variants of each other.
  const others = usable(context)
    .filter(({ id }) => !own.has(id))
    .sort((a, b) => Number(a.manifest.lineage.parent !== null) - Number(b.manifest.lineage.parent !== null));
  const left = others.slice(OTHER_MODELS).map(({ id }) => id);
  if (left.length > 0) context.note(`model.model: more models are installed: ${left.join(', ')}`);
  return factor('model', modelOfStages(context.definition.stages), others.slice(0, OTHER_MODELS).map(({ id }) => modelLevel(id, id)));
}

function anchors(context: FactorContext): StudyFactor | undefined {
  const levels = variants(context, VARIANT_STEPS.anchors).map(({ id, head }) => {
    const kept = head.scales?.reduce((sum, scale) => sum + (scale.anchors?.length ?? 0), 0);
    return modelLevel(`${kept ? `${kept} kept` : 'pruned'} (${id})`, id);
  });
  return levels.length === 0 ? undefined : factor('anchors', 'all', levels);
}

function precision(context: FactorContext): StudyFactor | undefined {
  const levels = variants(context, VARIANT_STEPS.precision).map(({ id }) => modelLevel(`int8 (${id})`, id));
  return levels.length === 0 ? undefined : factor('precision', 'float32', levels);
}

function guard({ definition: { stages }, listed, note }: FactorContext): StudyFactor | undefined {
  if (stages.some(({ kind }) => kind === 'guard.patch')) {
    return factor('guard', 'on', [{ name: 'off', apply: (setup) => ({ ...setup, definition: { ...setup.definition, stages: setup.definition.stages.filter(({ kind }) => kind !== 'guard.patch') } }) }]);
  }
  const own = modelOfStages(stages);
  if (!listed.some(({ id, guardProfile }) => id === own && guardProfile !== undefined)) {
    note(`model.guard: ${own} has no clean profile (lynceus guard calibrate)`);
    return undefined;
  }
  return factor('guard', 'off', [{ name: 'on', apply: withGuard }]);
}

/** How the stream's own workers are laid out. */
function usualWorkers({ definition: { source, stages } }: FactorContext): ReturnType<typeof workerSettingsOf> | undefined {
  const detector = detectorOf(stages);
  return detector && workerSettingsOf(detector, deliveryOf(source));
}

function mode(context: FactorContext): StudyFactor | undefined {
  const usual = usualWorkers(context)?.mode;
  if (usual === undefined) return undefined;
  const other = usual === 'latency' ? 'throughput' : 'latency';
  return factor('mode', usual, [{ name: other, apply: (setup) => withDetectorOptions(setup, { mode: other, session: { count: undefined, threads: undefined } }) }]);
}

/** Sessions, and threads of one: one and two. */
const FEW = [1, 2];

function layoutFactor(name: string, usual: number, option: 'count' | 'threads'): StudyFactor {
  const others = FEW.filter((count) => count !== usual);
  // Not by its number: on another machine it is another, and studies of both are compared by the names of levels.
  return factor(name, 'usual', others.map((count) => ({ name: String(count), apply: (setup) => withDetectorOptions(setup, { session: { [option]: count } }) })));
}

function sessions(context: FactorContext): StudyFactor | undefined {
  const usual = usualWorkers(context);
  return usual && layoutFactor('sessions', layoutOf(usual).sessions, 'count');
}

function threads(context: FactorContext): StudyFactor | undefined {
  const usual = usualWorkers(context);
  return usual && layoutFactor('threads', layoutOf(usual).threads, 'threads');
}

function tuningFactor(name: string, usual: string, others: Readonly<Record<string, Readonly<Record<string, unknown>>>>): StudyFactor {
  return factor(name, usual, Object.entries(others).map(([level, session]) => ({ name: level, apply: (setup) => withDetectorOptions(setup, { session }) })));
}

function spinning(context: FactorContext): StudyFactor {
  return usualWorkers(context)?.tuning?.spinning === true ? tuningFactor('spinning', 'on', { off: { spinning: false } }) : tuningFactor('spinning', 'off', { on: { spinning: true } });
}

function arena(context: FactorContext): StudyFactor {
  return usualWorkers(context)?.tuning?.memoryArena === false ? tuningFactor('arena', 'off', { on: { memoryArena: true } }) : tuningFactor('arena', 'on', { off: { memoryArena: false } });
}

function optimisation(context: FactorContext): StudyFactor {
  const usual = usualWorkers(context)?.tuning?.optimization ?? 'all';
  const others = GRAPH_OPTIMIZATIONS.filter((level) => level !== usual).reverse();
  return tuningFactor('optimisation', usual, Object.fromEntries(others.map((optimization) => [optimization, { optimization }])));
}

const MOST_STREAMS = 4;

function streams(): StudyFactor {
  const more = Array.from({ length: MOST_STREAMS - 1 }, (_, i) => i + 2);
  return factor('streams', '1', more.map((count) => ({ name: String(count), apply: (setup) => ({ ...setup, streams: count }) })));
}

function garbage(): StudyFactor {
  return factor('garbage', 'usual', [{ name: 'storm', apply: (setup) => withInjection(setup, { kind: 'gc', blockMs: 25, everyMs: 150 }) }]);
}

function cpu(): StudyFactor {
  return factor('cpu', '100%', [0.75, 0.5].map((share) => ({ name: `${share * 100}%`, apply: (setup) => withInjection(setup, { kind: 'cpu', share }) })));
}

function load(): StudyFactor {
  const processes = availableParallelism();
  return factor('load', 'none', [{ name: 'one a core', apply: (setup) => withInjection(setup, { kind: 'load', processes }) }]);
}

function affinity({ note }: FactorContext): StudyFactor | undefined {
  const allowed = allowedProcessors();
  if (allowed === undefined || !canPin()) {
    note('hardware.affinity: processes are pinned by taskset (util-linux), which is not here');
    return undefined;
  }
  if (allowed.length < 2) {
    note('hardware.affinity: there is one processor only');
    return undefined;
  }
  // The first one serves most interrupts.
  const processors = [allowed.at(-1)!];
  return factor('affinity', 'all cores', [{ name: '1 core', apply: (setup) => withSurroundings(setup, { processors }) }]);
}

const QUOTA_SHARE = 0.5;

async function quota({ note }: FactorContext): Promise<StudyFactor | undefined> {
  const fault = await quotaFault();
  if (fault !== undefined) {
    note(`hardware.quota: ${fault}`);
    return undefined;
  }
  return factor('quota', 'none', [{ name: `${QUOTA_SHARE * 100}%`, apply: (setup) => withSurroundings(setup, { quotaShare: QUOTA_SHARE }) }]);
}

/** Governors that are tried where they are not the usual one. */
const GOVERNORS = ['performance', 'powersave'];

function governorFactor({ note }: FactorContext): StudyFactor | undefined {
  const frequency = readCpuFrequency();
  if (!frequency) note('hardware.governor, hardware.frequency: this machine has no cpufreq; slower CPUs are emulated alone (cpu, load, quota)');
  else if (!frequency.isWritable) note(`hardware.governor, hardware.frequency: governor ${frequency.governor}, which this process may not change; slower CPUs are emulated alone (cpu, load, quota)`);
  if (!frequency?.isWritable) return undefined;
  const others = GOVERNORS.filter((name) => name !== frequency.governor && frequency.governors.includes(name));
  return factor('governor', frequency.governor, others.map((governor) => ({ name: governor, apply: (setup) => withSurroundings(setup, { governor }) })));
}

function frequency(): StudyFactor | undefined {
  const known = readCpuFrequency();
  if (!known?.isWritable) return undefined;
  const middle = Math.round((known.minKhz + known.maxKhz) / 2);
  const limited = (maxKhz: number): Level => ({ name: `${Math.round(maxKhz / 1e3)} MHz`, apply: (setup) => withSurroundings(setup, { maxKhz }) });
  return factor('frequency', 'all', [limited(middle), limited(known.minKhz)]);
}

const SUBSCRIBERS = [4, 16];

/** Their usual level is one: a pipeline without a subscriber has no end to end. */
function subscribers(): StudyFactor {
  const level = (count: number): Level => ({ name: String(count), apply: (setup) => ({ ...setup, subscribers: count }) });
  return { name: 'subscribers', levels: [level(1), ...SUBSCRIBERS.map(level)] };
}
