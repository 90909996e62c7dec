import type { ImportedModel } from './imported-model.js';
import { importTfjs } from './import-tfjs.js';
import type { ReadShard } from './tfjs-weights.js';

/**
 * The CenterNet of @vladmandic/human: a tfjs graph-model whose own last part finds the hundred best centres. Pictures of 0 to 255,
 * stretched; rows of x1, y1, x2, y2 in pixels of the input, score, class.
 *
 * @param json text of `centernet.json`; @param readShard gives the bytes of a weight file that it names.
 */
export function importCenternet(json: string, readShard: ReadShard): ImportedModel {
  const { onnx, input, outputs } = importTfjs(json, readShard, { outputs: ['tower_0/detections'] });
  return {
    onnx,
    input: { ...input, layout: 'nchw', dtype: 'float32', color: 'rgb', scale: 1, mean: [0, 0, 0], fit: 'stretch', padValue: 0 },
    head: { kind: 'rows', output: outputs[0]!.name, columns: ['x1', 'y1', 'x2', 'y2', 'score', 'class'] },
    classCount: 80,
  };
}
