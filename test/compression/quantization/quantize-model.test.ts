import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { labelledPictures } from '../../../src/cli/picture-sets.js';
import { fractalPictures } from '../../../src/compression/calibration/index.js';
import { buildVariant, equalizeNetwork, observeNetwork } from '../../../src/compression/quantization/build-variant.js';
import { quantizationFigures } from '../../../src/compression/quantization/figures.js';
import { holdPictures } from '../../../src/compression/quantization/held-pictures.js';
import { detectPrepared } from '../../../src/compression/score-model.js';
import { floatNetwork } from '../../../src/compression/quantization/network.js';
import { frameDims } from '../../../src/compression/quantization/observe.js';
import { quantizationReport } from '../../../src/compression/quantization/quantization-report.js';
import { quantizeModel } from '../../../src/compression/quantization/quantize-model.js';
import { frameFormatOf, type CandidateModel } from '../../../src/compression/score-model.js';
import { evaluateCoco } from '../../../src/evaluation/coco-eval.js';
import { OfflineSession } from '../../../src/inference/offline-session.js';
import { ModelStore } from '../../../src/model-store/store.js';
import { prepareInput } from '../../../src/onnx/prepare/prepare-input.js';

const SHARED = fileURLToPath(new URL('../../../../shared/', import.meta.url));
const WITHOUT_SHARED = 'the evaluation data (../shared) is not on this machine';

async function load(id: string): Promise<CandidateModel> {
  const { manifest, modelPath } = await new ModelStore().resolve(id);
  return { manifest, onnx: new Uint8Array(await readFile(modelPath)) };
}

async function outputsOf(prepared: Uint8Array, frame: Uint8Array): Promise<Float32Array> {
  const session = await OfflineSession.create(prepared, { threads: 1 });
  const outputs = await session.run({ [session.inputNames[0]!]: { type: 'uint8', dims: frameDims(prepared), data: frame } });
  const values = (outputs[session.outputNames[0]!]!.data as Float32Array).slice();
  await session.release();
  return values;
}

describe('a model that ships with the package, calibrated with fractals', () => {
  test('is quantized, installs as a model of bytes, and says what it costs', { timeout: 120_000 }, async () => {
    const model = await load('tiny-face');
    const pictures = await holdPictures(fractalPictures({ count: 3, seed: 1 }), frameFormatOf(model.manifest.input));
    const steps = new Set<string>();
    const outcome = await quantizeModel(model, {
      calibration: pictures.map(({ pixels }) => pixels),
      compare: { pictures },
      method: 'percentile',
      biasCorrection: false,
      equalize: false,
      searchRuns: 3,
      runs: 3,
      onProgress: (step) => steps.add(step),
    });
    expect([...steps]).toEqual(['calibration', 'sensitivity', 'ways', 'candidates', 'verification']);
    const { chosen, model: installable, layers } = outcome;
    // How many convolutions pay is measured, so it differs from run to run.
    expect(chosen.integer.size).toBeGreaterThan(0);
    expect(installable.onnx.length).toBeLessThan(model.onnx.length);
    // The installed model's own preparation leads back to the network that was measured.
    const again = prepareInput(installable.onnx, installable.input);
    expect(await outputsOf(again, pictures[0]!.pixels)).toEqual(await outputsOf(chosen.onnx, pictures[0]!.pixels));
    for (const { int8, sqnrDb } of layers) if (int8) expect(sqnrDb).toBeGreaterThan(5);
    const figures = quantizationFigures(outcome, model.onnx.length);
    expect(figures.map50_verify).toBeNull();
    expect(figures.speedup.threads1.n).toBe(3);
    const html = quantizationReport(outcome, figures, { id: 'tiny-face', command: 'lynceus models quantize tiny-face', calibration: 'fractals', search: '-', verify: '-', machine: {} });
    expect(html.match(/<svg/g)!.length).toBeGreaterThanOrEqual(4);
  });

  test('an unknown name to exclude is refused, a quantized model, too', async () => {
    const model = await load('tiny-face');
    const [picture] = await holdPictures(fractalPictures({ count: 1, seed: 1 }), frameFormatOf(model.manifest.input));
    const calibration = [picture!.pixels];
    await expect(quantizeModel(model, { calibration, compare: { pictures: [picture!] }, exclude: ['conv_999'] })).rejects.toMatchObject({ code: 'ERR_USAGE' });
    const network = floatNetwork(model);
    const { onnx } = buildVariant(await observeNetwork(network, calibration), new Set(network.convolutions.map(({ name }) => name)), { method: 'minmax', biasCorrection: false });
    const input = { ...model.manifest.input, name: 'frame', dtype: 'uint8', scale: 1, mean: [0, 0, 0] } as const;
    expect(() => floatNetwork({ manifest: { ...model.manifest, input }, onnx })).toThrow(/quantized already/);
  });
});

/** mAP50 in points on the pictures at odd places of coco128, everything but the heads in INT8. */
const GOLDEN = { fp32: 45.75, equalized: 40.97, tolerance: 1.5 };

describe('Yolo-Fastest-1.1-xl', () => {
  test.skipIf(!existsSync(SHARED))(`keeps its mAP50 (${existsSync(SHARED) ? 'golden' : WITHOUT_SHARED})`, { timeout: 240_000 }, async () => {
    const model = await load(`${SHARED}models/yolo-fastest-1.1-xl/yolo-fastest-1.1-xl.cfg`);
    const format = frameFormatOf(model.manifest.input);
    const calibration = (await holdPictures(await labelledPictures(`${SHARED}data/coco128`, (index) => index % 2 === 0), format, 8)).map(({ pixels }) => pixels);
    const unseen = await labelledPictures(`${SHARED}data/coco128`, (index) => index % 2 === 1);
    const pictures = await holdPictures(unseen, format);
    const network = floatNetwork(model);
    const plain = await observeNetwork(network, calibration);
    const equalized = await equalizeNetwork(plain, calibration);
    const inner = new Set(network.convolutions.filter(({ isHead }) => !isHead).map(({ name }) => name));
    const points = async (onnx: Uint8Array): Promise<number> => 100 * evaluateCoco(unseen.truth, await detectPrepared(model.manifest, onnx, pictures, unseen.truth.categories)).metrics.map50!;
    const fp32 = await points(network.prepared);
    const int8 = await points(buildVariant(equalized!, inner, { method: 'mse', biasCorrection: false }).onnx);
    expect(Math.abs(fp32 - GOLDEN.fp32)).toBeLessThan(0.3);
    expect(int8).toBeGreaterThan(GOLDEN.equalized - GOLDEN.tolerance);
  });
});
