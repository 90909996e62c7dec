import { GraphEditor, nodeName } from '../graph-editor.js';
import type { ModelProto } from '../model-proto.js';
import { channelGraph, type ChannelGraph } from '../prune/channel-graph.js';
import { elastic, isWorking, type ElasticFile, type ElasticLayer } from './elastic-file.js';

/** A layer of the file and where it is in the network. */
export interface PlacedLayer extends ElasticLayer {
  readonly name: string;
  /** Output of its normalization: what knows its channels. */
  readonly output: string;
}

/** A network with the layers of its file. */
export interface PlacedLayers {
  readonly layers: readonly PlacedLayer[];
  readonly channels: ChannelGraph;
  /** By ratio: groups of `channels` that don't work at it. */
  readonly idleGroups: readonly ReadonlySet<number>[];
}

/** Operators through which a channel of zeros stays one of zeros. */
const KEEPS_ZEROS = new Set([
  'Conv', 'BatchNormalization', 'Relu', 'LeakyRelu', 'PRelu', 'MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool', 'Resize', 'Upsample', 'Concat', 'Slice', 'Split', 'Identity', 'Cast', 'Dropout', 'Mul',
  'Add', 'Sub', 'Max',
]);
/** Of these only where no constant is added. */
const SUMS = new Set(['Add', 'Sub', 'Max']);
/** A channel that works at so many ratios has them all set, bit by bit: 64 ratios at most. */
type WorkingAt = bigint;

/**
 * Finds the layers of an elastic file in the network, and the channels that can be cut out at each ratio.
 *
 * @param fileName for messages only.
 * @throws AppError ERR_MODEL_ELASTIC where a layer isn't in the network, its activation is none that is zero where the channel is, channels that belong
 * together don't work at the same ratios, or idle ones can't be cut out
 */
export function placeLayers(model: ModelProto, file: ElasticFile, fileName: string): PlacedLayers {
  const editor = new GraphEditor(model);
  const channels = channelGraph(model);
  const layers = [...file.layers].map(([name, layer]) => placed(editor, name, layer, fileName));
  const working = workingOfGroups(layers, channels, file.ratios.length, fileName);
  const everywhere = allRatios(file.ratios.length);
  const idle = new Set([...working].flatMap(([group, { at }]) => (at === everywhere ? [] : [group])));
  checkFilters(editor, channels, layers, idle, fileName);
  checkZeros(editor, channels, idle, fileName);
  const idleGroups = file.ratios.map((_, r) => new Set([...working].flatMap(([group, { at }]) => ((at >> BigInt(r)) & 1n ? [] : [group]))));
  return { layers, channels, idleGroups };
}

const STATISTICS = ['weight', 'bias', 'running_mean', 'running_var'];

/** A layer's normalization: after a convolution, and all that reads it is a Relu. */
function placed(editor: GraphEditor, name: string, layer: ElasticLayer, fileName: string): PlacedLayer {
  const found = editor.consumersOf(`${name}.weight`).filter(({ opType }) => opType === 'BatchNormalization');
  const [norm] = found;
  const isNamed = norm && STATISTICS.every((statistic, i) => norm.input![i + 1] === `${name}.${statistic}` && editor.constant(norm.input![i + 1]));
  if (!norm || found.length > 1 || !isNamed) throw elastic(fileName, `the network has no normalization ${name}, with the inputs ${STATISTICS.map((statistic) => `${name}.${statistic}`).join(', ')}`);
  const size = editor.floats(norm, 1).data.length;
  if (size !== layer.channels) throw elastic(fileName, `${name} has ${layer.channels} channels, in the network ${size}`);
  const convolution = editor.producerOf(norm.input![0]!);
  if (convolution?.opType !== 'Conv' || !editor.hasOneReader(norm.input![0]!)) throw elastic(fileName, `${name} doesn't follow a convolution of its own`);
  const readers = editor.consumersOf(norm.output![0]!);
  if (readers.length === 0 || editor.isOutput(norm.output![0]!) || !readers.every(({ opType }) => opType === 'Relu')) throw elastic(fileName, `${name} is read by something else than a Relu: a channel that is off would not be zero`);
  return { ...layer, name, output: norm.output![0]! };
}

interface GroupState {
  readonly at: WorkingAt;
  /** The first that told. */
  readonly layer: string;
}

/** At which ratios the channels of each group work. Channels that are added to each other have to agree. */
function workingOfGroups(layers: readonly PlacedLayer[], channels: ChannelGraph, ratios: number, fileName: string): Map<number, GroupState> {
  const all = allRatios(ratios);
  const states = new Map<number, GroupState>();
  for (const layer of layers) {
    const groups = channels.groupsOf(layer.output);
    for (let channel = 0; channel < layer.channels; channel += 1) {
      const at = workingAt(layer, channel, ratios);
      const group = groups?.[channel] ?? -1;
      if (group < 0) {
        if (at !== all) throw elastic(fileName, `channel ${channel} of ${layer.name} can't be cut out of the network: ${whyPinned(channels)}`);
        continue;
      }
      const known = states.get(group);
      if (known && known.at !== at) throw elastic(fileName, `channel ${channel} of ${layer.name} and the one of ${known.layer} that it goes with don't work at the same ratios`);
      if (!known) states.set(group, { at, layer: layer.name });
    }
  }
  return states;
}

function workingAt(layer: ElasticLayer, channel: number, ratios: number): WorkingAt {
  let at = 0n;
  for (let r = 0; r < ratios; r += 1) if (isWorking(layer, channel, r)) at |= 1n << BigInt(r);
  return at;
}

function allRatios(ratios: number): WorkingAt {
  return (1n << BigInt(ratios)) - 1n;
}

function whyPinned({ pinnedBy }: ChannelGraph): string {
  const [first] = pinnedBy;
  return first ? `at ${first.node} ${first.why}` : 'an output of the network has it';
}

/** A filter that goes with others but has no mask would go on where they are idle. */
function checkFilters(editor: GraphEditor, channels: ChannelGraph, layers: readonly PlacedLayer[], idle: ReadonlySet<number>, fileName: string): void {
  const outputs = new Set(layers.map(({ output }) => output));
  for (const group of idle) {
    const { filters, depthwise } = channels.groups[group]!;
    const stranger = [...filters, ...depthwise].find(({ conv }) => !editor.consumersOf(conv).some(({ output }) => outputs.has(output![0]!)));
    if (stranger) throw elastic(fileName, `channel ${stranger.channel} of the convolution ${stranger.conv} has no mask and goes with channels that have one`);
  }
}

/** What is cut out has to be zero wherever it is read. */
function checkZeros(editor: GraphEditor, channels: ChannelGraph, idle: ReadonlySet<number>, fileName: string): void {
  for (const node of editor.nodes) {
    if (!node.output!.some((output) => channels.groupsOf(output)?.some((group) => idle.has(group)))) continue;
    const op = node.opType ?? '';
    const addsConstant = SUMS.has(op) && node.input!.some((input) => editor.constant(input));
    if (!KEEPS_ZEROS.has(op) || addsConstant) throw elastic(fileName, `at ${nodeName(node)} channels that are off would not stay zero`);
  }
}
