import type { Assumption, AssumptionSource } from '../core/assumption.js';
import type { HeadKind, ModelHead, ModelInput, ModelManifest } from '../core/manifest.js';
import { shapeText, type OutputSample, type RecognisedHead } from '../onnx/recognise/head-facts.js';
import { nodeName } from '../onnx/graph-editor.js';
import type { ModelFacts } from '../onnx/inspect.js';
import { constantOf, decodeModel, graphOf, tensorData } from '../onnx/model-proto.js';
import { ignoredOutputs } from '../onnx/recognise/recognise-dense.js';
import type { AddOptions } from './draft.js';

/** Kind of the lineage step that keeps what was assumed when a model was added. */
export const RECOGNISE_STEP = 'recognise-head';

/** What is believed of a model's input, and why. */
export function inputAssumptions({ inputs, metadata }: ModelFacts, input: ModelInput, options: AddOptions, kind: HeadKind): Assumption[] {
  const facts = inputs.find(({ name }) => name === input.name) ?? inputs[0]!;
  const isFixed = facts.dims.every((dim, axis) => axis === 0 || typeof dim === 'number');
  const sizeSource: AssumptionSource = isFixed ? 'graph' : options.size ? 'option' : metadata['imgsz'] === undefined ? 'assumed' : 'metadata';
  const habit = `as the training code of ${kind} heads feeds its networks`;
  const choice = (what: string, value: string, option: string | undefined): Assumption => ({ what, value, source: option === undefined ? 'assumed' : 'option', evidence: option ?? habit });
  return [
    { what: 'input', value: `${facts.name} [${facts.dims.join(',')}] ${facts.dataType}`, source: 'graph', evidence: facts.dataType === 'float16' ? 'computed in float32 here' : '' },
    { what: 'input size', value: `${input.width}x${input.height}`, source: sizeSource, evidence: { graph: '', option: '--size', metadata: 'imgsz', assumed: 'the usual one', measured: '', manifest: '' }[sizeSource] },
    choice('fit', `${input.fit}, grey ${input.padValue}`, options.fit && `--fit ${options.fit}`),
    choice('colour order', input.color, options.color && `--color ${options.color}`),
    choice('pixel values', pixelText(input), options.scale === undefined ? undefined : `--scale ${options.scale}`),
  ];
}

function pixelText({ mean, scale, dtype }: ModelInput): string {
  if (dtype === 'uint8') return 'bytes, 0 to 255';
  const [low, high] = [0, 255].map((pixel) => Number(((pixel - mean[0]) * scale).toPrecision(4)));
  return `${low} to ${high}`;
}

/** For heads whose facts travel in the file or stand in a manifest. */
export function headAssumptions({ head, classCount }: RecognisedHead, source: AssumptionSource = 'metadata'): Assumption[] {
  return [
    { what: 'head', value: headText(head), source, evidence: `${classCount} classes${source === 'metadata' ? ', by the key heads' : ''}` },
    ...(head.scales?.some(({ anchors }) => anchors) ? [{ what: 'anchors', value: anchorText(head), source, evidence: '' }] : []),
  ];
}

export function headText({ kind, scales, output }: ModelHead): string {
  return [kind, scales && `strides ${scales.map(({ stride }) => stride).join(' ')}`, output && `from ${output}`].filter(Boolean).join(', ');
}

/** Widths and heights in pixels, scale by scale. */
export function anchorText({ scales = [] }: ModelHead): string {
  return scales.map(({ anchors = [] }) => anchors.map((pair) => pair.map((side) => Math.round(side)).join('x')).join(' ')).join(' | ');
}

/** Nodes that suppress duplicates inside the model, with the thresholds that no option of a stream changes. */
export function suppressionFacts(onnx: Uint8Array): Assumption[] {
  const graph = graphOf(decodeModel(onnx));
  return (graph.node ?? [])
    .filter(({ opType }) => opType === 'NonMaxSuppression')
    .map((node): Assumption => {
      const [most, iou, score] = [2, 3, 4].map((index) => {
        const tensor = node.input?.[index] ? constantOf(graph, node.input[index]) : undefined;
        return tensor ? Number(Number(tensorData(tensor)[0]).toPrecision(4)) : undefined;
      });
      return { what: 'suppression', value: `inside the model, ${nodeName(node)}`, source: 'graph', evidence: `IoU ${iou ?? 0}, score ${score ?? 'computed'}, at most ${most ?? 'any number'} a class: a lower threshold of a stream finds nothing more` };
    });
}

export function ignoredFacts(outputs: readonly OutputSample[], recognised: RecognisedHead): Assumption[] {
  const ignored = ignoredOutputs(outputs, recognised);
  if (ignored.length === 0) return [];
  return [{ what: 'outputs ignored', value: ignored.map(shapeText).join(', '), source: 'graph', evidence: 'nothing of the head reads them' }];
}

export function labelAssumption(given: readonly string[] | undefined, names: readonly string[] | undefined, classCount: number): Assumption {
  const source: AssumptionSource = given ? 'option' : names ? 'metadata' : 'assumed';
  const evidence = given ? '--labels' : names ? 'names in the file' : classCount === 80 ? '80 classes are most often those of COCO' : 'the file names none';
  return { what: 'class names', value: `${classCount} classes`, source, evidence };
}

/** What is believed of an installed model: what was written down when it was added, else what its manifest says. */
export function assumptionsOf(manifest: ModelManifest): readonly Assumption[] {
  const step = manifest.lineage.operations.findLast(({ kind }) => kind === RECOGNISE_STEP);
  // A model that was made from another one may have another head than was recognised once.
  const isOwn = manifest.lineage.parent === null && Array.isArray(step?.['assumptions']);
  if (isOwn) return step['assumptions'] as Assumption[];
  const { input, head, labels } = manifest;
  const fact = (what: string, value: string): Assumption => ({ what, value, source: 'manifest', evidence: '' });
  return [
    fact('input', `${input.name} ${input.layout} ${input.dtype}`),
    fact('input size', `${input.width}x${input.height}`),
    fact('fit', `${input.fit}, grey ${input.padValue}`),
    fact('colour order', input.color),
    fact('pixel values', pixelText(input)),
    ...headAssumptions({ head, classCount: labels.length }, 'manifest'),
    fact('class names', `${labels.length} classes`),
  ];
}
