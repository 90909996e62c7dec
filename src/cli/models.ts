import { ModelStore } from '../model-store/store.js';

/** The models of this user and those that ship with the package. */
export function openStore(): ModelStore {
  return new ModelStore();
}
