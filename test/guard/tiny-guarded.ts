import { afterAll } from 'vitest';
import type { Detections } from '../../src/core/detections.js';
import type { Overflow } from '../../src/core/overflow.js';
import type { DeliveredFrame } from '../../src/core/result.js';
import type { Sink } from '../../src/core/sink.js';
import { FrameGuard, type FrameGuardOptions, type Guard } from '../../src/guard/frame-guard.js';
import { GuardService, type GuardServiceOptions } from '../../src/guard/guard-service.js';
import { GuardedDetectStage } from '../../src/guard/guarded-detect-stage.js';
import type { PatchGuardOptions } from '../../src/guard/patch-guard.js';
import { PatchGuardStage } from '../../src/guard/patch-guard-stage.js';
import type { GuardProfile, ShallowTap, ViewModel } from '../../src/guard/profile.js';
import { regionFeatureNames } from '../../src/guard/search/region-features.js';
import { RunningStream } from '../../src/graph/running-stream.js';
import { RuntimeMonitor } from '../../src/timing/runtime-monitor.js';
import { RecordingLog } from '../fixtures/recording-log.js';
import { ScriptedSource, type ScriptedSourceOptions } from '../fixtures/scripted-source.js';
import { tempFolder } from '../fixtures/temp-folder.js';
import { finderModel, tinyDetector, writeModel } from '../fixtures/tiny-onnx.js';
import { ordinaryFinderProfile, ordinaryProfile } from './ordinary-profile.js';

/** The tiny detector with a tap, its guard's workers, and streams on them. */

const detector = tinyDetector({ tap: 'tap' });
export const { manifest } = detector;
export const PLANE_BYTES = manifest.input.width * manifest.input.height;
export const TAP: ShallowTap = { output: 'tap', stride: 4, channels: 3, width: 8, height: 8 };
export const THRESHOLDS = { confidenceThreshold: 0.25, iouThreshold: 0.45, maxDetections: 100 };

/** For which everything is ordinary: nothing is worth a second look. */
export const PROFILE: GuardProfile = ordinaryProfile(manifest, TAP);

/** For which what the patch finder is surer of than 3 is worth a second look, and nothing else. */
export const FINDER_PROFILE: GuardProfile = (() => {
  const features = regionFeatureNames('finder');
  const finder: ViewModel = { mean: features.map(() => 0), deviation: features.map(() => 1), weights: features.map((name) => (name === 'finder' ? 1 : 0)), bias: 0, trigger: 3 };
  return { ...ordinaryFinderProfile(manifest, TAP, 'finder'), region: { finder } };
})();

const folder = tempFolder();
const modelPath = writeModel(folder, 'tapped.onnx', detector.prepared);
/** Finds what is magenta. */
export const FINDER_PATH = writeModel(folder, 'finder.onnx', finderModel());
const monitor = new RuntimeMonitor();
const services: GuardService[] = [];
afterAll(async () => {
  monitor.close();
  await Promise.all(services.map((service) => service.close()));
});

export async function startService(options: Partial<GuardServiceOptions> = {}): Promise<GuardService> {
  const service = await GuardService.start({ manifest, modelPath, tap: TAP, profile: PROFILE, thresholds: THRESHOLDS, mode: 'throughput', cores: 1, prefetch: false, ...options });
  services.push(service);
  return service;
}

/** Fills the planes G, B, R. */
export function planes(g: number, b: number, r: number): (pixels: Uint8Array) => void {
  return (pixels) => [g, b, r].forEach((value, plane) => pixels.fill(value, plane * PLANE_BYTES, (plane + 1) * PLANE_BYTES));
}

export interface StreamOptions extends ScriptedSourceOptions, Partial<FrameGuardOptions> {
  readonly overflow?: Overflow;
  readonly name?: string;
  /** What decides; the real one where absent. */
  readonly decide?: (options: PatchGuardOptions) => Guard;
}

export interface Kept {
  readonly sequence: number;
  readonly detections: Detections;
  readonly delivered: DeliveredFrame;
}

/** A guarded stream, whose frames the test gives. */
export function guardedStream(service: GuardService, { overflow = 'block', name = 'test', decide, time = true, onUnguarded, delivery, capacity }: StreamOptions = {}) {
  const source = new ScriptedSource({ ...(delivery ? { delivery } : {}), ...(capacity === undefined ? {} : { capacity }) });
  const kept: Kept[] = [];
  const sink: Sink = {
    kind: 'keeping',
    deliver: (delivered) => void kept.push({ sequence: delivered.result.frame.sequence, detections: delivered.result.detections!, delivered }),
    close: () => undefined,
  };
  const guard = new FrameGuard(service, { profile: PROFILE, thresholds: THRESHOLDS, time, ...(onUnguarded ? { onUnguarded } : {}) }, decide);
  const stages = [
    { id: 'detect', stage: new GuardedDetectStage(guard), overflow },
    { id: 'guard', stage: new PatchGuardStage(guard), overflow: 'block' as const },
  ];
  const stream = new RunningStream({ name, source, stages, sinks: [sink], model: manifest.id, labels: manifest.labels, monitor, log: new RecordingLog() });
  return { source, kept, stream, guard };
}
