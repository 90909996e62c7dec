import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ModelStore } from '../../src/model-store/store.js';
import { storePaths } from '../../src/model-store/store-paths.js';

/** Models that come with the package. */
export const SHIPPED_MODELS = ['centernet-coco', 'tiny-face'] as const;

let store: ModelStore | undefined;

/** Path of the network of a shipped model, imported into a folder of the tests' own. */
export async function modelPathOf(id: string): Promise<string> {
  store ??= new ModelStore(storePaths({ LYNCEUS_HOME: mkdtempSync(join(tmpdir(), 'lynceus-test-')) }), {});
  return (await store.resolve(id)).modelPath;
}
