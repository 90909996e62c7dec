import { constantOf, DATA_TYPES, dimsOf, intOf, intsOf, tensorData, textOf, type GraphProto, type NodeProto } from '../model-proto.js';

/** A convolution that reads the picture, as it is or dealt out. */
export interface FirstConvolution {
  readonly node: NodeProto;
  /** 1 for the picture itself; n where it reads n * n smaller pictures, each of every n-th row and column (a Focus layer has n = 2). */
  readonly step: number;
  /** Where each of the stacked small pictures begins: row and column, 0 to step - 1. */
  readonly phases: readonly Phase[];
}

type Phase = readonly [row: number, column: number];

export interface FirstConvolutions {
  readonly convolutions: readonly FirstConvolution[];
  /** Nodes between the picture and the convolutions. */
  readonly between: readonly NodeProto[];
}

/** A tensor that is still nothing but pixels, three channels a phase. */
interface Pixels {
  readonly rowStep: number;
  readonly columnStep: number;
  readonly phases: readonly Phase[];
}

/**
 * Follows a picture of [1, 3, H, W] to the convolutions that read it, through the slices and stacks of a Focus layer; undefined where
 * anything else reads it, so that its channels have to stay as they are.
 */
export function findFirstConvolutions(graph: GraphProto, picture: string, size: { readonly width: number; readonly height: number }): FirstConvolutions | undefined {
  const known = new Map<string, Pixels>([[picture, { rowStep: 1, columnStep: 1, phases: [[0, 0]] }]]);
  const convolutions: FirstConvolution[] = [];
  const between: NodeProto[] = [];
  for (const node of graph.node ?? []) {
    if (!node.input?.some((name) => known.has(name))) continue;
    const source = known.get(node.input[0]!);
    if (source && isFoldable(graph, node, source, size)) {
      convolutions.push({ node, step: source.rowStep, phases: source.phases });
      continue;
    }
    const pixels = movedPixels(graph, node, known, size);
    if (!pixels) return undefined;
    between.push(node);
    known.set(node.output![0]!, pixels);
  }
  const isOutput = graph.output?.some(({ name }) => known.has(name ?? ''));
  return isOutput || convolutions.length === 0 ? undefined : { convolutions, between };
}

function isFoldable(graph: GraphProto, node: NodeProto, { rowStep, columnStep, phases }: Pixels, { width, height }: { width: number; height: number }): boolean {
  if (node.opType !== 'Conv' || intOf(node, 'group', 1) !== 1 || !hasFloatWeights(graph, node)) return false;
  const dims = dimsOf(constantOf(graph, node.input![1]!)!);
  if (dims.length !== 4 || dims[1] !== 3 * phases.length) return false;
  if (rowStep === 1 && columnStep === 1) return phases.length === 1;
  const isWhole = rowStep === columnStep && height % rowStep === 0 && width % columnStep === 0 && new Set(phases.map(String)).size === rowStep * columnStep;
  const isPlain = ['', 'NOTSET'].includes(textOf(node, 'auto_pad')) && (intsOf(node, 'dilations') ?? []).every((dilation) => dilation === 1);
  return isWhole && phases.length === rowStep * columnStep && isPlain;
}

function hasFloatWeights(graph: GraphProto, { input }: NodeProto): boolean {
  return input!.slice(1).every((name) => name === '' || constantOf(graph, name)?.dataType === DATA_TYPES.float32);
}

/** What the output of a node is that only moves pixels; undefined for any other node. */
function movedPixels(graph: GraphProto, node: NodeProto, known: ReadonlyMap<string, Pixels>, size: { width: number; height: number }): Pixels | undefined {
  const sources = node.input!.map((name) => known.get(name));
  if (node.opType === 'Identity') return sources[0];
  if (node.opType === 'Slice') return sources[0] && everyNth(graph, node, sources[0], size);
  if (node.opType !== 'Concat' || intOf(node, 'axis', 0) !== 1) return undefined;
  const [first] = sources;
  const isAlike = sources.every((source) => source?.rowStep === first?.rowStep && source?.columnStep === first?.columnStep);
  return first && isAlike ? { ...first, phases: sources.flatMap((source) => source!.phases) } : undefined;
}

/** A slice that takes every n-th row or column of the whole picture. */
function everyNth(graph: GraphProto, node: NodeProto, source: Pixels, { width, height }: { width: number; height: number }): Pixels | undefined {
  const [starts, ends, axes, steps] = [1, 2, 3, 4].map((input) => constantNumbers(graph, node.input![input]));
  const [phase] = source.phases;
  if (!starts || !ends || !steps || !phase || axes?.length !== 1 || source.phases.length > 1) return undefined;
  const isRows = axes[0] === 2 || axes[0] === -2;
  const isColumns = axes[0] === 3 || axes[0] === -1;
  const length = isRows ? height / source.rowStep : width / source.columnStep;
  const [start, step] = [starts[0]!, steps[0]!];
  if ((!isRows && !isColumns) || start < 0 || start >= step || ends[0]! < length) return undefined;
  return isRows
    ? { ...source, rowStep: source.rowStep * step, phases: [[phase[0] + start * source.rowStep, phase[1]]] }
    : { ...source, columnStep: source.columnStep * step, phases: [[phase[0], phase[1] + start * source.columnStep]] };
}

function constantNumbers(graph: GraphProto, name: string | undefined): number[] | undefined {
  const tensor = name ? constantOf(graph, name) : undefined;
  return tensor && Array.from(tensorData(tensor), Number);
}
