import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Detections } from '../../src/core/detections.js';
import type { ModelHead, ModelInput, ModelManifest } from '../../src/core/manifest.js';
import { findOnPicture, type Findings, type TriedModel } from '../../src/model-store/find-on-picture.js';
import { selfCheck } from '../../src/model-store/self-check.js';
import { judge, preparationHint, type Preparation } from '../../src/model-store/self-check-verdict.js';
import { ModelStore } from '../../src/model-store/store.js';
import { storePaths } from '../../src/model-store/store-paths.js';
import { fitPicture, knownObjects, readTestPicture, shippedTestPicture, type TestPicture } from '../../src/model-store/test-picture.js';
import { manifestOf } from '../detector/manifest.js';
import { rejectionOf } from '../fixtures/failure.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { hasShared, SHARED, WITHOUT_SHARED } from '../onnx/support.js';

const home = tempFolder();
const store = new ModelStore(storePaths({ LYNCEUS_HOME: home }));
let street: TestPicture;
let centernet: TriedModel;

beforeAll(async () => {
  const { manifest, modelPath } = await store.resolve('centernet-coco');
  centernet = { manifest, onnx: await readFile(modelPath) };
  street = await shippedTestPicture(manifest.labels);
});

interface Changes {
  readonly input?: Partial<ModelInput>;
  readonly head?: Partial<ModelHead>;
  readonly labels?: readonly string[];
}

function changed({ manifest, onnx }: TriedModel, { input, head, labels }: Changes): TriedModel {
  return { manifest: { ...manifest, input: { ...manifest.input, ...input }, head: { ...manifest.head, ...head }, labels: labels ?? manifest.labels }, onnx };
}

/** Codes without trying other preparations. */
async function codesOf(model: TriedModel): Promise<string[]> {
  return judge(await findOnPicture(model, street), model.manifest, knownObjects(street, model.manifest.labels), []).map(({ code }) => code);
}

describe('the shipped detector on the shipped street', () => {
  test('nothing looks wrong; the drawing has the size of the picture', async () => {
    const { report, png } = await selfCheck(centernet);
    expect(report.warnings).toEqual([]);
    expect(report.found!.objects).toBeGreaterThanOrEqual(6);
    expect(report.found!.meanIou).toBeGreaterThan(0.75);
    expect(report.classes.map(({ label }) => label)).toEqual(expect.arrayContaining(['person', 'car']));
    expect(report.boxes).toBe(report.classes.reduce((sum, { count }) => sum + count, 0));
    expect(report.preparations[0]).toMatchObject({ option: '', objects: report.found!.objects });
    expect(await sharp(png).metadata()).toMatchObject({ format: 'png', width: street.size.width, height: street.size.height });
    const { data } = await sharp(png).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    expect(data.some((value, i) => value !== street.rgb[i])).toBe(true);
  });

  test.each<[string, Changes, string[]]>([
    ['another factor for the pixels', { input: { scale: 1 / 255 } }, ['SELF_CHECK_NO_BOXES']],
    ['x and y changed', { head: { columns: ['y1', 'x1', 'y2', 'x2', 'score', 'class'] } }, ['SELF_CHECK_MISPLACED']],
    ['score and class changed', { head: { columns: ['x1', 'y1', 'x2', 'y2', 'class', 'score'] } }, ['SELF_CHECK_SATURATED', 'SELF_CHECK_WRONG_CLASSES']],
  ])('%s is found out', async (_, changes, codes) => {
    expect(await codesOf(changed(centernet, changes))).toEqual(codes);
  });

  test('class names in another order are found out', async () => {
    const { labels } = centernet.manifest;
    expect(await codesOf(changed(centernet, { labels: [...labels.slice(9), ...labels.slice(0, 9)] }))).toEqual(['SELF_CHECK_WRONG_CLASSES']);
  });

  test('the other order of colours finds less, and the advice names the option', async () => {
    const { report } = await selfCheck(changed(centernet, { input: { color: 'bgr' } }));
    expect(report.warnings).toMatchObject([{ code: 'SELF_CHECK_PREPARATION', advice: expect.stringContaining('--color rgb') as string }]);
  });
});

test('a face detector is tried on a face', async () => {
  const { manifest, modelPath } = await store.resolve('tiny-face');
  const { report } = await selfCheck({ manifest, onnx: await readFile(modelPath) });
  expect(report).toMatchObject({ picture: 'self-check-face.jpg', found: { objects: 1, of: 1 }, warnings: [] });
});

describe.skipIf(!hasShared)(`wrong manifests of other heads${hasShared ? '' : ` (skipped: ${WITHOUT_SHARED})`}`, () => {
  let yolox: TriedModel;
  let darknet: TriedModel;
  beforeAll(async () => {
    yolox = await store.draft(join(SHARED, 'models/yolox-nano/yolox_nano.onnx'));
    darknet = await store.draft(join(SHARED, 'models/yolo-fastest-1.1-xl/yolo-fastest-1.1-xl.cfg'));
  });

  test.each<[string, () => TriedModel, string[]]>([
    ['YOLOX as it is', () => yolox, []],
    ['YOLOX read as decoded', () => changed(yolox, { head: { kind: 'yolov5' } }), ['SELF_CHECK_CORNER', 'SELF_CHECK_OUTSIDE', 'SELF_CHECK_MISPLACED']],
    ['YOLOX with its scales reversed', () => changed(yolox, { head: { scales: yolox.manifest.head.scales!.toReversed() } }), ['SELF_CHECK_MISPLACED']],
    ['YOLOX fed with fractions', () => changed(yolox, { input: { scale: 1 / 255 } }), ['SELF_CHECK_NO_BOXES']],
    ['Darknet as it is', () => darknet, []],
    ['Darknet with the sizes of YOLOv5', () => changed(darknet, { head: { kind: 'yolov5-raw' } }), ['SELF_CHECK_LOOSE']],
    ['Darknet with the anchors of the other scale', () => changed(darknet, { head: { scales: darknet.manifest.head.scales!.map((scale, i, all) => ({ ...scale, anchors: all[1 - i]!.anchors })) } }), ['SELF_CHECK_MISPLACED']],
    ['Darknet fed with 0 to 255', () => changed(darknet, { input: { scale: 1 } }), ['SELF_CHECK_MISPLACED']],
  ])('%s', async (_, model, codes) => {
    expect(await codesOf(model())).toEqual(codes);
  });
});

describe('verdicts', () => {
  const manifest: ModelManifest = manifestOf({ kind: 'yolov8', output: 'output0' }, 3, { width: 320, height: 320 });

  function findings(boxes: readonly (readonly number[])[], score: (i: number) => number, boxesBeforeNms = boxes.length): Findings {
    const detections: Detections = { count: boxes.length, xyxy: Float32Array.from(boxes.flat()), confidence: Float32Array.from(boxes, (_, i) => score(i)), classId: new Int32Array(boxes.length), boxesBeforeNms };
    return { detections, inputBoxes: detections, bestConfidence: Math.max(0, ...detections.confidence) };
  }

  const spread = (count: number, make: (i: number) => readonly number[]): (readonly number[])[] => Array.from({ length: count }, (_, i) => make(i));
  const honest = (i: number): readonly number[] => [10 * (i % 20), 12 * (i % 15), 10 * (i % 20) + 20 + i, 12 * (i % 15) + 30 + i];

  test.each<[string, Findings, string[]]>([
    ['a few boxes of different size', findings(spread(8, honest), (i) => 0.3 + i / 20), []],
    ['none', findings([], () => 0), ['SELF_CHECK_NO_BOXES']],
    ['boxes in fractions', findings(spread(8, (i) => [i / 20, i / 25, i / 20 + 0.1 + i / 50, i / 25 + 0.2]), () => 0.5), ['SELF_CHECK_CORNER']],
    ['boxes outside', findings([...spread(6, honest), [400, 10, 440, 60], [-80, 0, -30, 50]], () => 0.5), ['SELF_CHECK_OUTSIDE']],
    ['boxes of one size', findings(spread(8, (i) => [20 * i, 10 * i, 20 * i + 30, 10 * i + 40]), () => 0.5), ['SELF_CHECK_SAME_SIZE']],
    ['scores of 1', findings(spread(8, honest), () => 1), ['SELF_CHECK_SATURATED']],
    ['a sigmoid of a sigmoid', findings(spread(90, honest), (i) => 0.5 + i / 400, 2100), ['SELF_CHECK_TWICE_SIGMOID']],
    ['hundreds', findings(spread(300, honest), (i) => 0.3 + i / 1000), ['SELF_CHECK_TOO_MANY']],
  ])('%s', (_, found, codes) => {
    expect(judge(found, manifest, [], []).map(({ code }) => code)).toEqual(codes);
  });

  const own: Preparation = { option: '', objects: 5, confidence: 3 };
  test.each<[string, Preparation[], string[], RegExp | undefined]>([
    ['the given one is best', [own, { option: '--color bgr', objects: 4, confidence: 2 }], [], undefined],
    ['another factor is clearly better', [own, { option: '--scale 1', objects: 9, confidence: 7 }], ['SELF_CHECK_PREPARATION'], undefined],
    ['another fit is never an error', [own, { option: '--fit stretch', objects: 9, confidence: 7 }], [], /--fit stretch/],
    ['colours that matter little', [own, { option: '--color bgr', objects: 5, confidence: 3.5 }], [], /--color bgr/],
    ['next to nothing is no proof', [{ ...own, confidence: 0.3 }, { option: '--scale 1', objects: 2, confidence: 0.9 }], [], undefined],
  ])('preparations: %s', (_, preparations, codes, hint) => {
    expect(judge(findings(spread(8, honest), (i) => 0.3 + i / 20), manifest, [], preparations).map(({ code }) => code)).toEqual(codes);
    const text = preparationHint(preparations);
    if (hint) expect(text).toMatch(hint);
    else expect(text).toBeUndefined();
  });
});

describe('test pictures', () => {
  test('are fitted as sources do: planes G, B, R, padding around', async () => {
    const rgb = Uint8Array.from({ length: 4 * 2 * 3 }, (_, i) => [10, 20, 30][i % 3]!);
    const input: ModelInput = { ...manifestOf({ kind: 'yolov8' }, 1).input, width: 8, height: 8, fit: 'letterbox', padValue: 114 };
    const { pixels, fit } = await fitPicture({ name: 'flat', size: { width: 4, height: 2 }, rgb }, input);
    expect(fit).toEqual({ scaleX: 2, scaleY: 2, padX: 0, padY: 2 });
    for (const [plane, value] of [20, 30, 10].entries()) {
      expect([...pixels.subarray(plane * 64, plane * 64 + 16)]).toEqual(new Array(16).fill(114));
      expect([...pixels.subarray(plane * 64 + 16, plane * 64 + 48)]).toEqual(new Array(32).fill(value));
      expect([...pixels.subarray(plane * 64 + 48, plane * 64 + 64)]).toEqual(new Array(16).fill(114));
    }
  });

  test('no file, and no picture', async () => {
    expect(await rejectionOf(readTestPicture(join(home, 'nothing.jpg')))).toMatchObject({ code: 'ERR_FILE_NOT_FOUND' });
    const path = join(home, 'text.jpg');
    await writeFile(path, 'not a picture');
    expect(await rejectionOf(readTestPicture(path))).toMatchObject({ code: 'ERR_SOURCE_FORMAT' });
  });

  test('of the user: nobody knows what stands in it', async () => {
    const path = join(home, 'grey.png');
    await sharp({ create: { width: 64, height: 48, channels: 3, background: '#777' } }).png().toFile(path);
    const { report } = await selfCheck(centernet, path);
    expect(report).toMatchObject({ picture: 'grey.png', found: null, preparations: [], boxes: 0, warnings: [{ code: 'SELF_CHECK_NO_BOXES' }] });
  });
});
