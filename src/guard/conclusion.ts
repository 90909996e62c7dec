import { type Detections, NO_DETECTIONS } from '../core/detections.js';
import type { GuardReport } from '../core/guard-report.js';
import type { DeliveryThresholds, PassResponse } from './passes.js';
import { selectDetections } from './select-detections.js';

/** Delivers what a pass found as it is, without a word on patches. */
export function concludeUntouched(pass: PassResponse, thresholds: DeliveryThresholds, said: Pick<GuardReport, 'state' | 'reason' | 'extraPasses'>): { readonly detections: Detections; readonly report: GuardReport } {
  const detections = selectDetections(pass.detections, thresholds);
  return { detections, report: { ...said, patches: [], origins: new Array<'untouched'>(detections.count).fill('untouched'), suppressed: NO_DETECTIONS } };
}
