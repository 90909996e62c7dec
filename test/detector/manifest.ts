import type { ModelHead, ModelManifest } from '../../src/core/manifest.js';

/** A manifest of which only the head, the labels and the input size matter. */
export function manifestOf(head: ModelHead, labels: number, input: { width: number; height: number } = { width: 64, height: 32 }): ModelManifest {
  return {
    id: 'test-model',
    task: 'detection',
    title: 'Test',
    file: 'model.onnx',
    sha256: '0'.repeat(64),
    licence: 'MIT',
    input: { name: 'images', layout: 'nchw', dtype: 'float32', color: 'rgb', scale: 1 / 255, mean: [0, 0, 0], fit: 'stretch', padValue: 114, ...input },
    head,
    labels: Array.from({ length: labels }, (_, index) => `class ${index}`),
    defaults: { confidenceThreshold: 0.25, iouThreshold: 0.45 },
    lineage: { parent: null, origin: 'test', operations: [] },
    baseline: null,
  };
}
