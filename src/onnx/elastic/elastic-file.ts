import { z } from 'zod';
import { AppError } from '../../core/errors.js';
import type { ElasticRatio } from '../../core/manifest.js';
import { readSafetensors, type NamedTensor, type Safetensors } from './safetensors.js';

/** Of the metadata: another number means another layout. */
const FORMAT = 'lynceus-elastic/1';

const ratio = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/, 'must be letters, digits, dots, dashes and underscores'),
  macs: z.number().int().positive(),
  ap50: z.number().min(0).max(1).nullish(),
});
const ratioList = z.array(ratio).min(2).max(64);

/** The parts that tell of a layer, with their dimensions for `channels` C and `ratios` R. */
const PARTS = ['mask', 'threshold', 'scale', 'shift'] as const;
type Part = (typeof PARTS)[number];

/** One normalization with its mask and its private statistics. */
export interface ElasticLayer {
  readonly channels: number;
  /** By channel: soft importance. */
  readonly mask: Float32Array;
  /** By ratio: a channel works where its mask is this or more. */
  readonly threshold: Float32Array;
  /** By ratio, then channel: `relu(conv(x) * scale + shift)`. */
  readonly scale: Float32Array;
  readonly shift: Float32Array;
}

/** What an elastic model has beside its network. */
export interface ElasticFile {
  /** Dense first; each does less work than the one before it. */
  readonly ratios: readonly ElasticRatio[];
  /** By the name that the inputs of its normalization begin with. */
  readonly layers: ReadonlyMap<string, ElasticLayer>;
}

/**
 * Reads and checks `elastic.safetensors`, as far as it can be checked without its network.
 *
 * @param fileName for messages only.
 * @throws AppError ERR_MODEL_CORRUPT where it is no safetensors file, ERR_MODEL_ELASTIC where it holds something else
 */
export function readElasticFile(bytes: Uint8Array, fileName: string): ElasticFile {
  const file = readSafetensors(bytes, fileName);
  const ratios = ratiosOf(file, fileName);
  const layers = new Map([...layerNames(file, fileName)].map((layer) => [layer, layerOf(layer, file, ratios, fileName)]));
  if (layers.size === 0) throw elastic(fileName, 'it has no layer');
  return { ratios, layers };
}

/** Whether a channel of a layer works at a ratio. */
export function isWorking({ mask, threshold }: ElasticLayer, channel: number, ratioIndex: number): boolean {
  return mask[channel]! >= threshold[ratioIndex]!;
}

function ratiosOf({ metadata }: Safetensors, fileName: string): ElasticRatio[] {
  const format = metadata.get('format');
  if (format !== FORMAT) throw elastic(fileName, `its format is ${format ?? 'not stated'}, expected ${FORMAT}`);
  const checked = ratioList.safeParse(parseJson(metadata.get('ratios'), fileName));
  if (!checked.success) throw elastic(fileName, `ratios: ${checked.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')}`);
  const ratios = checked.data.map(({ name, macs, ap50 }): ElasticRatio => ({ name, macs, ...(typeof ap50 === 'number' && { ap50 }) }));
  ratios.forEach(({ name, macs }, i) => {
    if (ratios.findIndex((other) => other.name === name) < i) throw elastic(fileName, `two ratios are named ${name}`);
    if (i > 0 && macs >= ratios[i - 1]!.macs) throw elastic(fileName, `ratio ${name} does ${macs} multiply-accumulates, no less than the one before it`);
  });
  return ratios;
}

function parseJson(text: string | undefined, fileName: string): unknown {
  if (text === undefined) throw elastic(fileName, 'its metadata has no ratios');
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw elastic(fileName, `ratios are not JSON: ${(cause as Error).message}`, cause);
  }
}

function layerNames({ tensors }: Safetensors, fileName: string): Set<string> {
  const layers = new Set<string>();
  for (const name of tensors.keys()) {
    const [part, layer] = splitOnce(name);
    if (!PARTS.some((known) => known === part) || layer === '') throw elastic(fileName, `nobody reads ${name}; expected ${PARTS.map((known) => `${known}/<layer>`).join(', ')}`);
    layers.add(layer);
  }
  return layers;
}

function splitOnce(name: string): [string, string] {
  const at = name.indexOf('/');
  return at < 0 ? [name, ''] : [name.slice(0, at), name.slice(at + 1)];
}

function layerOf(layer: string, file: Safetensors, ratios: readonly ElasticRatio[], fileName: string): ElasticLayer {
  const channels = tensorOf('mask', layer, file, fileName).dims[0] ?? 0;
  const dims: Readonly<Record<Part, readonly number[]>> = { mask: [channels], threshold: [ratios.length], scale: [ratios.length, channels], shift: [ratios.length, channels] };
  const read = (part: Part): Float32Array => {
    const tensor = tensorOf(part, layer, file, fileName);
    if (tensor.dims.join() !== dims[part].join()) throw elastic(fileName, `${part}/${layer} has the shape [${tensor.dims.join(', ')}], expected [${dims[part].join(', ')}]`);
    if (!tensor.data.every(Number.isFinite)) throw elastic(fileName, `${part}/${layer} has values that are no finite numbers`);
    return tensor.data;
  };
  const found: ElasticLayer = { channels, mask: read('mask'), threshold: read('threshold'), scale: read('scale'), shift: read('shift') };
  checkMask(layer, found, ratios, fileName);
  return found;
}

function tensorOf(part: Part, layer: string, { tensors }: Safetensors, fileName: string): NamedTensor {
  const tensor = tensors.get(`${part}/${layer}`);
  if (!tensor) throw elastic(fileName, `${part}/${layer} is missing`);
  return tensor;
}

/** Each ratio's channels are among those of the one before it, dense has all, and none has none. */
function checkMask(layer: string, found: ElasticLayer, ratios: readonly ElasticRatio[], fileName: string): void {
  ratios.forEach(({ name }, r) => {
    if (r > 0 && found.threshold[r]! < found.threshold[r - 1]!) throw elastic(fileName, `threshold/${layer} falls at ratio ${name}: channels would come back`);
    const working = found.mask.reduce((sum, _, channel) => sum + Number(isWorking(found, channel, r)), 0);
    if (r === 0 && working < found.channels) throw elastic(fileName, `${layer}: ratio ${name}, the dense one, is without ${found.channels - working} channels`);
    if (working === 0) throw elastic(fileName, `${layer} has no channel left at ratio ${name}`);
  });
}

const FIX = 'Export the model anew, with the file that belongs to its network.';

/** @returns ERR_MODEL_ELASTIC */
export function elastic(fileName: string, detail: string, cause?: unknown): AppError {
  return new AppError('ERR_MODEL_ELASTIC', `${fileName}: ${detail}`, { cause, fix: FIX });
}
