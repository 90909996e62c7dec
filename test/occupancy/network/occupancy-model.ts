import { existsSync } from 'node:fs';
import type { InstalledOccupancyModel, OccupancyManifest } from '../../../src/core/occupancy-manifest.js';
import { DEFAULT_OCCUPANCY_MODEL } from '../../../src/cli/models.js';
import { ModelStore } from '../../../src/model-store/store.js';
import { REPOSITORY } from '../../fixtures/repository.js';

/** A manifest that is right. */
export function occupancyManifest(): OccupancyManifest {
  return {
    id: 'some-network',
    task: 'stereo-occupancy',
    title: 'A network',
    licence: 'MIT',
    files: { coarse: { file: 'coarse.onnx', sha256: 'a'.repeat(64) }, fine: { file: 'fine.onnx', sha256: 'b'.repeat(64) } },
    input: { width: 440, height: 200 },
    planes: 'voxel',
    levels: {
      all: { '8': { source: 'fine16', above: 0.5 }, '16': { source: 'coarse16', above: 0.5 }, '32': { source: 'fine32', above: 0.5 }, '64': { source: 'fine64', above: 0.3 } },
      coarse: { '8': { source: 'coarse8', above: 0.5 }, '16': { source: 'coarse16', above: 0.5 } },
    },
    refine: { threshold: 0.1, margin: 0 },
    trained: { focalLengthWidths: [0.45, 1.5], baselineM: [0.05, 0.8], rangeM: [4, 32] },
    lineage: { parent: null, origin: 'models/lab/occupancy', operations: [] },
    baseline: null,
  };
}

/** What to say where a test of the trained network is skipped. */
export const NETWORK_MISSING = `models/${DEFAULT_OCCUPANCY_MODEL} has no network`;

/** Whether the trained network is there. */
export const hasNetwork = existsSync(`${REPOSITORY}models/${DEFAULT_OCCUPANCY_MODEL}/fine.onnx`);

/** The trained network. */
export function trainedNetwork(): Promise<InstalledOccupancyModel> {
  return new ModelStore().resolveOccupancy(DEFAULT_OCCUPANCY_MODEL);
}
