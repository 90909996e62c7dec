import { join } from 'node:path';
import { ModelStore } from '../model-store/store.js';
import { PACKAGE_ROOT } from './definitions.js';

/** The models of this user and those that ship with the package. */
export function openStore(): ModelStore {
  return new ModelStore({ shippedFolder: join(PACKAGE_ROOT, 'models') });
}
