import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type CameraDefinition, type SourceDefinition, type StageDefinition, type StereoDefinition, type StreamDefinition, streamDefinitionSchema } from '../config/stream-definition.js';
import { parseYaml } from '../config/yaml-file.js';
import { AppError } from '../core/errors.js';
import { deliveryOf } from './sources.js';

/** Folder of this package: `models/` and `streams/` are in it. */
export const PACKAGE_ROOT = fileURLToPath(new URL('../..', import.meta.url));

export const DEFAULT_MODEL = 'centernet-coco';

export interface InputOptions {
  readonly model?: string | undefined;
  readonly realtime?: boolean | undefined;
  readonly loop?: boolean | undefined;
  readonly transport?: 'tcp' | 'udp' | undefined;
  /** Put a guard after each detector that has none. */
  readonly guard?: boolean | undefined;
  /** Put a tracker at the end of each chain of a detector that has none. */
  readonly track?: boolean | undefined;
  /** Hold this: `25ms` or `20fps`, instead of the target that the definition may have. */
  readonly governor?: string | undefined;
}

/**
 * The stream that a command line's input means: a definition file (or the name of one in `streams/`), a camera's or a video's URL,
 * a video file, or a folder of pictures.
 *
 * @throws AppError `ERR_FILE_NOT_FOUND`, or what is wrong with the definition.
 */
export async function definitionOf(input: string, options: InputOptions): Promise<StreamDefinition> {
  const definition = await readInput(input, options);
  const guarded = options.guard ? withStage(definition.stages, 'guard', 'guard.patch', ['detector.yolo']) : definition.stages;
  return {
    ...definition,
    stages: options.track ? withStage(guarded, 'track', 'tracker.byte', ['detector.yolo', 'guard.patch']) : guarded,
    ...(options.governor === undefined ? {} : { governor: { ...definition.governor, target: options.governor } }),
  };
}

async function readInput(input: string, options: InputOptions): Promise<StreamDefinition> {
  if (/\.ya?ml$/i.test(input)) return loadDefinition(input, options);
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(input)) return adHoc(nameOfUrl(input), networkSource(input, options), options);
  const found = await stat(input).catch(() => undefined);
  if (found?.isDirectory()) return adHoc(nameOfFile(input), { kind: 'dataset', path: resolve(input), ...pacing(options) }, options);
  if (found) return adHoc(nameOfFile(input), { kind: 'file', path: resolve(input), ...pacing(options) }, options);
  const shipped = resolve(PACKAGE_ROOT, 'streams', `${input}.yaml`);
  if (/^[\w.-]+$/.test(input) && (await stat(shipped).catch(() => undefined))) return loadDefinition(shipped, options);
  throw new AppError('ERR_FILE_NOT_FOUND', `${input}: no such file, folder or stream`, {
    fix: 'Give a stream definition (.yaml), an rtsp:// or http:// address, a video file, or a dataset folder.',
  });
}

async function loadDefinition(path: string, options: InputOptions): Promise<StreamDefinition> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new AppError('ERR_FILE_NOT_FOUND', `${path}: the stream definition can't be read`, { cause, fix: 'Check the path.' });
  });
  const definition = parseYaml({ text, fileName: path, env: process.env }, streamDefinitionSchema);
  const folder = dirname(path);
  const stages = definition.stages.map((stage) => withAbsolutePaths(withModel(stage, options), folder));
  return { ...definition, stages, source: withPacing(absoluteSource(definition.source, folder), options) };
}

function adHoc(name: string, source: SourceDefinition, { model }: InputOptions): StreamDefinition {
  return { name, source, stages: [{ id: 'detect', kind: 'detector.yolo', options: { model: model ?? DEFAULT_MODEL } }] };
}

function networkSource(url: string, { transport }: InputOptions): SourceDefinition {
  return { kind: /^https?:/i.test(url) ? 'http' : 'rtsp', url, ...(transport ? { transport } : {}) };
}

function pacing({ realtime, loop }: InputOptions): { realtime?: boolean; loop?: boolean } {
  return { ...(realtime === undefined ? {} : { realtime }), ...(loop === undefined ? {} : { loop }) };
}

function withPacing(source: SourceDefinition, options: InputOptions): SourceDefinition {
  const isRecording = source.kind === 'file' || source.kind === 'dataset' || (source.kind === 'stereo' && deliveryOf(source) === 'lossless');
  return isRecording ? { ...source, ...pacing(options) } : source;
}

/** Paths in a definition count from its own folder. */
function absoluteSource(source: SourceDefinition, folder: string): SourceDefinition {
  if (source.kind === 'stereo') return absoluteStereo(source, folder);
  return source.kind === 'file' || source.kind === 'dataset' ? { ...source, path: resolve(folder, source.path) } : source;
}

function absoluteStereo(source: StereoDefinition, folder: string): StereoDefinition {
  const camera = (side: CameraDefinition): CameraDefinition => (side.kind === 'file' ? { ...side, path: resolve(folder, side.path) } : side);
  const { calibration, path, left, right } = source;
  return {
    ...source,
    calibration: typeof calibration === 'string' ? resolve(folder, calibration) : [resolve(folder, calibration[0]), resolve(folder, calibration[1])],
    ...(path === undefined ? {} : { path: resolve(folder, path) }),
    ...(left && { left: camera(left) }),
    ...(right && { right: camera(right) }),
  };
}

function withModel(stage: StageDefinition, { model }: InputOptions): StageDefinition {
  return model && stage.kind.startsWith('detector.') ? { ...stage, options: { ...stage.options, model } } : stage;
}

/** Options of stages that are files. */
const PATH_OPTIONS = ['profile', 'motion'];

function withAbsolutePaths(stage: StageDefinition, folder: string): StageDefinition {
  const paths = PATH_OPTIONS.flatMap((name) => {
    const path = stage.options?.[name];
    return typeof path === 'string' ? [[name, resolve(folder, path)] as const] : [];
  });
  return paths.length > 0 ? { ...stage, options: { ...stage.options, ...Object.fromEntries(paths) } } : stage;
}

/**
 * A stage of a kind in each chain that has none yet.
 *
 * @param after kinds that it may follow, the detector first: it comes after the last of them in the chain.
 */
function withStage(stages: readonly StageDefinition[], id: string, kind: string, after: readonly string[]): StageDefinition[] {
  const taken = new Set(stages.map((stage) => stage.id));
  return stages.flatMap((stage, i) => {
    const next = stages[i + 1]?.kind;
    const goesOn = next !== undefined && [kind, ...after.slice(1)].includes(next);
    if (goesOn || !after.includes(stage.kind)) return [stage];
    const free = freeId(id, taken);
    taken.add(free);
    return [stage, { id: free, kind }];
  });
}

function freeId(wanted: string, taken: ReadonlySet<string>): string {
  let id = wanted;
  for (let number = 2; taken.has(id); number += 1) id = `${wanted}-${number}`;
  return id;
}

function nameOfFile(path: string): string {
  return clean(basename(resolve(path), extname(path)));
}

function nameOfUrl(url: string): string {
  try {
    const { hostname, pathname } = new URL(url);
    return clean(`${hostname}${pathname}`);
  } catch (cause) {
    throw new AppError('ERR_USAGE', 'The address of the source is no valid URL', { cause, fix: 'Percent-encode special characters in user and password.' });
  }
}

function clean(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9_.-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '').slice(0, 64) || 'stream';
}
