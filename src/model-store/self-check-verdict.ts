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
  if (foundObjects(detections, objects, labels).length > 0) return undefined;
  const anyClass = foundObjects(detections, objects.map(({ xyxy }) => ({ xyxy, labels })), labels).length;
  if (anyClass > 0) {
    return {
      code: 'SELF_CHECK_WRONG_CLASSES',
      message: `${anyClass} objects are found at their place, but under wrong names`,
      advice: 'the class names are probably in another order: name them with --labels',
    };
  }
  return { code: 'SELF_CHECK_MISPLACED', message: `none of the ${objects.length} objects that stand in the picture is found at its place`, advice: READ_OTHERWISE };
}

/** How much better another preparation has to be: sums of confidences differ a little by chance. */
const CLEARLY_BETTER = 1.5;

function otherPreparation([own, ...others]: readonly Preparation[]): SelfCheckWarning | undefined {
  const best = others.toSorted((a, b) => b.confidence - a.confidence)[0];
  if (!own || !best || best.confidence <= Math.max(1, CLEARLY_BETTER * own.confidence)) return undefined;
  return {
    code: 'SELF_CHECK_PREPARATION',
    message: `with ${best.option} it finds more: ${best.objects} objects, confidences ${best.confidence.toFixed(1)} in all instead of ${own.objects}, ${own.confidence.toFixed(1)}`,
    advice: `remove it and add it again with ${best.option}`,
  };
}

/** For each object that was found at its place under a right name, the greatest confidence. */
export function foundObjects({ count, xyxy, confidence, classId }: Detections, objects: readonly KnownObject[], labels: readonly string[]): number[] {
  return objects.flatMap((object) => {
    let best = 0;
    for (let i = 0; i < count; i += 1) {
      const isNamed = object.labels.includes(labels[classId[i]!] ?? '');
      if (isNamed && confidence[i]! > best && boxIou([...object.xyxy, ...xyxy.subarray(4 * i, 4 * i + 4)], 0, 1) >= SAME_PLACE_IOU) best = confidence[i]!;
    }
    return best > 0 ? [best] : [];
  });
}
