import { boxIou } from '../core/box.js';
import type { Detections } from '../core/detections.js';
import type { ModelManifest } from '../core/manifest.js';
import type { Findings } from './find-on-picture.js';
import type { KnownObject } from './test-picture.js';

/** What can look wrong on the test picture; `docs/models.md` explains each. */
export type SelfCheckCode =
  | 'SELF_CHECK_NO_BOXES'
  | 'SELF_CHECK_TOO_MANY'
  | 'SELF_CHECK_OUTSIDE'
  | 'SELF_CHECK_SAME_SIZE'
  | 'SELF_CHECK_CORNER'
  | 'SELF_CHECK_SATURATED'
  | 'SELF_CHECK_TWICE_SIGMOID'
  | 'SELF_CHECK_MISPLACED'
  | 'SELF_CHECK_LOOSE'
  | 'SELF_CHECK_WRONG_CLASSES'
  | 'SELF_CHECK_PREPARATION';

export interface SelfCheckWarning {
  readonly code: SelfCheckCode;
  readonly message: string;
  readonly advice: string;
}

/** How much a model finds when its pictures are prepared in one way. */
export interface Preparation {
  /** Option that asks for it; empty for the way that the model was added with. */
  readonly option: string;
  /** Of those that stand in the picture. */
  readonly objects: number;
  /** Sum of their confidences. */
  readonly confidence: number;
}

/** Overlap from which on a box is at an object's place. */
const SAME_PLACE_IOU = 0.45;
/** No street has so many objects that a small network could tell. */
const MOST_LIKELY_BOXES = 100;
/** Boxes from which on something that all have in common is no chance. */
const FEW_BOXES = 5;

/** What looks wrong, worst first; empty where nothing does. */
export function judge(findings: Findings, manifest: ModelManifest, objects: readonly KnownObject[], preparations: readonly Preparation[]): SelfCheckWarning[] {
  const rules: readonly (SelfCheckWarning | undefined)[] = [
    noBoxes(findings, manifest),
    twiceSigmoid(findings),
    saturated(findings),
    corner(findings),
    outside(findings, manifest),
    sameSize(findings),
    tooMany(findings),
    misplaced(findings, manifest, objects),
    otherPreparation(preparations),
  ];
  return rules.filter((warning) => warning !== undefined);
}

const READ_OTHERWISE = 'the head is probably read wrongly: name it with --head, and the boxes with --boxes or --normalised';

function noBoxes({ detections, bestConfidence }: Findings, { defaults }: ModelManifest): SelfCheckWarning | undefined {
  if (detections.count > 0) return undefined;
  const message = `no boxes over ${defaults.confidenceThreshold}; the best of all has ${bestConfidence.toPrecision(2)}`;
  return { code: 'SELF_CHECK_NO_BOXES', message, advice: 'if the model should know something in the picture, its pictures are probably prepared wrongly (--scale, --color) or its head is another (--head); else give a picture that it knows: --test-image' };
}

/** sigmoid(sigmoid(x)) lies between .5 and .731: of each of thousands of cells. */
function twiceSigmoid({ detections, bestConfidence }: Findings): SelfCheckWarning | undefined {
  const { count, confidence, boxesBeforeNms } = detections;
  if (boxesBeforeNms < 500 || bestConfidence > 0.74 || !confidence.subarray(0, count).every((score) => score >= 0.49)) return undefined;
  return { code: 'SELF_CHECK_TWICE_SIGMOID', message: `all ${boxesBeforeNms} scores lie between .5 and .74, as if a sigmoid was applied twice`, advice: 'the scores of this model are probabilities already: choose another --head' };
}

function saturated({ detections: { count, confidence } }: Findings): SelfCheckWarning | undefined {
  const certain = confidence.subarray(0, count).filter((score) => score >= 0.9995).length;
  if (count < FEW_BOXES || certain < count / 2) return undefined;
  return { code: 'SELF_CHECK_SATURATED', message: `${certain} of ${count} scores are 1, as if they were no probabilities`, advice: 'the scores of this model are probably logits, or another column than is read: choose another --head' };
}

/** Fractions that are read as pixels. */
function corner({ inputBoxes: { count, xyxy } }: Findings): SelfCheckWarning | undefined {
  const largest = xyxy.subarray(0, 4 * count).reduce((most, value) => Math.max(most, value), 0);
  if (count === 0 || largest > 4) return undefined;
  return { code: 'SELF_CHECK_CORNER', message: `all ${count} boxes lie in the first ${Math.ceil(largest)} pixels at the top left`, advice: 'the boxes are probably fractions of the picture: --normalised' };
}

function outside({ inputBoxes: { count, xyxy } }: Findings, { input }: ModelManifest): SelfCheckWarning | undefined {
  let away = 0;
  for (let i = 0; i < count; i += 1) {
    const x = (xyxy[4 * i]! + xyxy[4 * i + 2]!) / 2;
    const y = (xyxy[4 * i + 1]! + xyxy[4 * i + 3]!) / 2;
    if (x < 0 || y < 0 || x > input.width || y > input.height) away += 1;
  }
  if (away === 0 || away < 0.2 * count) return undefined;
  return { code: 'SELF_CHECK_OUTSIDE', message: `${away} of ${count} boxes have their middle outside of the picture`, advice: READ_OTHERWISE };
}

function sameSize({ inputBoxes: { count, xyxy } }: Findings): SelfCheckWarning | undefined {
  if (count < FEW_BOXES) return undefined;
  const sides = [0, 1].map((axis) => Array.from({ length: count }, (_, i) => xyxy[4 * i + 2 + axis]! - xyxy[4 * i + axis]!));
  const isAlike = sides.every((lengths) => Math.max(...lengths) <= 1.02 * Math.min(...lengths));
  return isAlike ? { code: 'SELF_CHECK_SAME_SIZE', message: `all ${count} boxes have the same size`, advice: READ_OTHERWISE } : undefined;
}

function tooMany({ detections: { count } }: Findings): SelfCheckWarning | undefined {
  if (count <= MOST_LIKELY_BOXES) return undefined;
  return { code: 'SELF_CHECK_TOO_MANY', message: `${count} boxes over the threshold`, advice: `${READ_OTHERWISE}; or its threshold is too low` };
}

/** The picture's objects are known, and the model's classes: some have to be found where they stand. */
function misplaced({ detections }: Findings, { labels }: ModelManifest, objects: readonly KnownObject[]): SelfCheckWarning | undefined {
  if (objects.length === 0 || detections.count === 0) return undefined;
  const found = foundObjects(detections, objects, labels);
  // One of many may be chance.
  if (found.length > detections.count / 8) return looseBoxes(found);
  const anyClass = foundObjects(detections, objects.map(({ xyxy }) => ({ xyxy, labels })), labels).length;
  if (anyClass > found.length) {
    return {
      code: 'SELF_CHECK_WRONG_CLASSES',
      message: `${anyClass} objects are found at their place, but under wrong names`,
      advice: 'the class names are probably in another order: name them with --labels',
    };
  }
  return { code: 'SELF_CHECK_MISPLACED', message: `${found.length === 0 ? 'none' : `only ${found.length}`} of the ${objects.length} objects that stand in the picture is found at its place`, advice: READ_OTHERWISE };
}

/** Boxes of a head that is read rightly sit tighter. */
const LOOSE_IOU = 0.66;

function looseBoxes(found: readonly FoundObject[]): SelfCheckWarning | undefined {
  const meanIou = meanIouOf(found);
  if (found.length < 3 || meanIou >= LOOSE_IOU) return undefined;
  return { code: 'SELF_CHECK_LOOSE', message: `boxes sit loosely around the objects: they overlap by ${meanIou.toFixed(2)} in the mean`, advice: 'the sizes are probably decoded by another formula (--head) or from other anchors (--anchors)' };
}

export function meanIouOf(found: readonly FoundObject[]): number {
  return found.reduce((sum, { iou }) => sum + iou, 0) / Math.max(1, found.length);
}

/** Whether findings are no findings: a network that is fed with far too great numbers is certain of everything everywhere. */
export function isImplausible(findings: Findings): boolean {
  return [saturated, twiceSigmoid, tooMany, sameSize].some((rule) => rule(findings) !== undefined);
}

/** How much better another preparation has to be: sums of confidences differ a little by chance. */
const CLEARLY_BETTER = 1.3;
/** Sums below this are of hardly an object: nothing to compare. */
const LEAST_SUM = 1;

function otherPreparation(preparations: readonly Preparation[]): SelfCheckWarning | undefined {
  const better = betterPreparation(preparations, (option) => !option.startsWith('--fit'));
  if (!better) return undefined;
  const [own] = preparations;
  return {
    code: 'SELF_CHECK_PREPARATION',
    message: `with ${better.option} it finds more: ${sumText(better)} instead of ${sumText(own!)}`,
    advice: `remove it and add it again with ${better.option}`,
  };
}

/** As much as another colour order has to find to be worth a try. */
const SLIGHTLY_BETTER = 1.05;

/**
 * Another preparation under which the model finds more, but that is no error: boxes come back to their places with any fit, and many
 * networks care little about the order of colours. One picture can't tell.
 */
export function preparationHint(preparations: readonly Preparation[]): string | undefined {
  const better =
    betterPreparation(preparations, (option) => option.startsWith('--fit')) ??
    (otherPreparation(preparations) ? undefined : betterPreparation(preparations, (option) => option.startsWith('--color'), SLIGHTLY_BETTER));
  return better && `on this picture it finds more with ${better.option}: ${sumText(better)} instead of ${sumText(preparations[0]!)}; lynceus eval tells which is better on yours`;
}

function betterPreparation([own, ...others]: readonly Preparation[], isMeant: (option: string) => boolean, factor = CLEARLY_BETTER): Preparation | undefined {
  const best = others.filter(({ option }) => isMeant(option)).toSorted((a, b) => b.confidence - a.confidence)[0];
  return own && best && best.confidence > Math.max(LEAST_SUM, factor * own.confidence) ? best : undefined;
}

function sumText({ objects, confidence }: Preparation): string {
  return `${objects} objects (confidences ${confidence.toFixed(1)} in all)`;
}

/** An object that was found at its place. */
export interface FoundObject {
  readonly confidence: number;
  readonly iou: number;
}

/** Objects that were found at their place under a right name, each by its most confident box. */
export function foundObjects({ count, xyxy, confidence, classId }: Detections, objects: readonly KnownObject[], labels: readonly string[]): FoundObject[] {
  return objects.flatMap((object) => {
    let best: FoundObject | undefined;
    for (let i = 0; i < count; i += 1) {
      if (!object.labels.includes(labels[classId[i]!] ?? '') || confidence[i]! <= (best?.confidence ?? 0)) continue;
      const iou = boxIou([...object.xyxy, ...xyxy.subarray(4 * i, 4 * i + 4)], 0, 1);
      if (iou >= SAME_PLACE_IOU) best = { confidence: confidence[i]!, iou };
    }
    return best ? [best] : [];
  });
}
