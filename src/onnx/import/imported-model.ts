import type { ModelHead, ModelInput } from '../../core/manifest.js';

/** What an importer makes: the network, and the facts that its manifest needs. */
export interface ImportedModel {
  readonly onnx: Uint8Array;
  readonly input: ModelInput;
  readonly head: ModelHead;
  /** 1 for heads without class scores. */
  readonly classCount: number;
}
