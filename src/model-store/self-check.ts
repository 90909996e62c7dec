import type { Detections } from '../core/detections.js';
import type { ModelInput } from '../core/manifest.js';
import { drawBoxes } from './draw-boxes.js';
import { findOnPicture, type TriedModel } from './find-on-picture.js';
import { foundObjects, isImplausible, judge, meanIouOf, preparationHint, type Preparation, type SelfCheckWarning } from './self-check-verdict.js';
import { knownObjects, readTestPicture, shippedTestPicture, type KnownObject, type TestPicture } from './test-picture.js';

/** File that shows what a model found on the test picture, in its folder. */
export const SELF_CHECK_FILE = 'self-check.png';
/** Kind of the lineage step that keeps the figures of the check. */
export const SELF_CHECK_STEP = 'self-check';

/** What a model found on the test picture. */
export interface SelfCheckReport {
  readonly picture: string;
  /** After suppression, over the model's own threshold. */
  readonly boxes: number;
  readonly boxesBeforeNms: number;
  readonly confidenceThreshold: number;
  /** Most frequent first. */
  readonly classes: readonly { readonly label: string; readonly count: number }[];
  /** Greatest confidence of all boxes, those below the threshold too. */
  readonly bestConfidence: number;
  /** Objects that stand in the picture and were found at their place; null where it isn't known what stands in it. */
  readonly found: { readonly objects: number; readonly of: number; readonly meanIou: number } | null;
  /** How much this and other preparations of the picture find; empty where none was tried. */
  readonly preparations: readonly Preparation[];
  /** What can't be told from one picture, but is worth a try; null where there is nothing. */
  readonly hint: string | null;
  readonly warnings: readonly SelfCheckWarning[];
}

/**
 * Runs a model on a test picture through the preparation and the decoder that streams use, draws what it finds, and judges whether that
 * can be right.
 *
 * @param testPicture path of a picture instead of the package's own.
 * @throws AppError ERR_MODEL_OUTPUT_SHAPE where the head isn't that of the manifest, ERR_FILE_NOT_FOUND, ERR_SOURCE_FORMAT of the picture.
 */
export async function selfCheck(model: TriedModel, testPicture?: string): Promise<{ readonly report: SelfCheckReport; readonly png: Uint8Array }> {
  const { labels, defaults } = model.manifest;
  const picture = testPicture === undefined ? await shippedTestPicture(labels) : await readTestPicture(testPicture);
  const objects = testPicture === undefined ? knownObjects(picture, labels) : [];
  const findings = await findOnPicture(model, picture);
  const preparations = objects.length > 0 ? await comparePreparations(model, picture, objects) : [];
  const warnings = judge(findings, model.manifest, objects, preparations);
  const { detections, bestConfidence } = findings;
  const found = foundObjects(detections, objects, labels);
  const report: SelfCheckReport = {
    picture: picture.name,
    boxes: detections.count,
    boxesBeforeNms: detections.boxesBeforeNms,
    confidenceThreshold: defaults.confidenceThreshold,
    classes: classCounts(detections, labels),
    bestConfidence,
    found: objects.length > 0 ? { objects: found.length, of: objects.length, meanIou: meanIouOf(found) } : null,
    preparations,
    hint: preparationHint(preparations) ?? null,
    warnings,
  };
  return { report, png: await drawBoxes(picture, detections, labels, warnings.map(({ message }) => message)) };
}

/** The given preparation first, then others with one thing changed: what is most often guessed wrongly. */
async function comparePreparations(model: TriedModel, picture: TestPicture, objects: readonly KnownObject[]): Promise<Preparation[]> {
  const compared: Preparation[] = [];
  for (const { option, input } of alternativesOf(model.manifest.input)) {
    const findings = await findOnPicture({ ...model, manifest: { ...model.manifest, input } }, picture);
    const found = isImplausible(findings) ? [] : foundObjects(findings.detections, objects, model.manifest.labels);
    compared.push({ option, objects: found.length, confidence: found.reduce((sum, { confidence }) => sum + confidence, 0) });
  }
  return compared;
}

function alternativesOf(input: ModelInput): { readonly option: string; readonly input: ModelInput }[] {
  const color = input.color === 'rgb' ? 'bgr' : 'rgb';
  const scale = input.scale === 1 ? 1 / 255 : 1;
  const isScaledOnly = input.dtype === 'float32' && input.mean.every((value) => value === 0);
  return [
    { option: '', input },
    { option: `--color ${color}`, input: { ...input, color, mean: input.mean.toReversed() as [number, number, number] } },
    ...(isScaledOnly ? [{ option: `--scale ${scale === 1 ? '1' : '0.00392157'}`, input: { ...input, scale } }] : []),
    ...(['stretch', 'letterbox', 'letterbox-top-left'] as const).filter((fit) => fit !== input.fit).map((fit) => ({ option: `--fit ${fit}`, input: { ...input, fit } })),
  ];
}

function classCounts({ count, classId }: Detections, labels: readonly string[]): { label: string; count: number }[] {
  const counts = new Map<string, number>();
  for (let i = 0; i < count; i += 1) {
    const label = labels[classId[i]!] ?? `class_${classId[i]!}`;
    counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  return [...counts].map(([label, found]) => ({ label, count: found })).sort((a, b) => b.count - a.count);
}
