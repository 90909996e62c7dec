import { ModelStore } from '../model-store/store.js';

/** The models of this user and those that ship with the package. */
export function openStore(): ModelStore {
  return new ModelStore();
}

/** The occupancy network that ships with the package. */
export const DEFAULT_OCCUPANCY_MODEL = 'stereo-occupancy';
