import type { PictureSet } from '../../core/picture-set.js';
import { SeededRandom } from '../../core/seeded-random.js';
import { keptPictures } from '../calibration/subsets.js';
import { frameFormatOf, runModel, type CandidateModel } from '../score-model.js';
import { withWeights, type ConvNetwork, type LayerWeights } from './conv-layer.js';
import { layerError, outputVariance, type LayerStatistics } from './layer-statistics.js';

/** Pictures that a gain is measured with. */
const PICTURES = 4;
/** Standard deviation of the weights' disturbance, over their own size: small enough to be felt in proportion. */
const DISTURBANCE = 0.1;
/** No layer counts less than this share of the average: four pictures don't show everything. */
const LEAST_GAIN = 0.02;

/**
 * How much an error of a layer is felt in the model's outputs: relative error of the outputs over the relative error of the layer, for
 * a small random disturbance of its weights. Layers near the picture and near the outputs are felt most, by a factor of a hundred.
 *
 * @returns by the layer's output; average 1.
 */
export async function outputGains(model: CandidateModel, network: ConvNetwork, statistics: ReadonlyMap<string, LayerStatistics>, calibration: PictureSet, seed: number, onLayer: (done: number, total: number) => void = () => undefined): Promise<ReadonlyMap<string, number>> {
  const pictures = await keptPictures(calibration, frameFormatOf(model.manifest.input), PICTURES);
  const wanted = await outputsOf(model, pictures);
  const gains = new Map<string, number>();
  for (const [index, layer] of network.layers.entries()) {
    const sums = statistics.get(layer.output);
    if (!sums) continue;
    const disturbed = disturb(network.weights.get(layer.output)!, new SeededRandom(seed, index));
    const local = layerError(sums, disturbed) / (outputVariance(sums) || 1);
    const felt = relativeError(await outputsOf({ ...model, onnx: withWeights(model.onnx, new Map([[layer.output, disturbed]])) }, pictures), wanted);
    gains.set(layer.output, local > 0 ? felt / local : 0);
    onLayer(gains.size, statistics.size);
  }
  const mean = [...gains.values()].reduce((sum, gain) => sum + gain, 0) / gains.size || 1;
  return new Map([...gains].map(([output, gain]) => [output, Math.max(LEAST_GAIN, gain / mean)]));
}

function disturb({ weights, bias }: LayerWeights, random: SeededRandom): LayerWeights {
  return { weights: weights.map((weight) => weight * (1 + DISTURBANCE * random.normal())), bias };
}

async function outputsOf(model: CandidateModel, pictures: PictureSet): Promise<Float32Array[]> {
  const all: Float32Array[] = [];
  await runModel(model, pictures, (_, outputs) => all.push(...Object.values(outputs).map(({ data }) => Float32Array.from(data))));
  return all;
}

/** Mean over tensors of the squared difference over the variance. */
function relativeError(actual: readonly Float32Array[], wanted: readonly Float32Array[]): number {
  const errors = wanted.map((tensor, index) => {
    const mean = tensor.reduce((sum, value) => sum + value, 0) / tensor.length;
    let [error, variance] = [0, 0];
    for (let i = 0; i < tensor.length; i += 1) {
      error += (actual[index]![i]! - tensor[i]!) ** 2;
      variance += (tensor[i]! - mean) ** 2;
    }
    return error / (variance || 1);
  });
  return errors.reduce((sum, error) => sum + error, 0) / errors.length;
}
