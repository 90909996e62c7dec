import { z } from 'zod';
import { TRACKING_DEFAULTS } from '../tracking/tracker-options.js';

const seconds = z.number().min(0).max(3600);
const share = z.number().min(0).max(1);

export const trackerOptions = z.strictObject({
  lowShare: share.default(TRACKING_DEFAULTS.lowShare).describe("Of the detector's confidence threshold: down to here a box may continue a confirmed track. 1: sure boxes alone."),
  sureShare: share.default(TRACKING_DEFAULTS.sureShare).describe('Of what the model says of objects that it sees well: boxes over it are associated first.'),
  beginShare: share.default(TRACKING_DEFAULTS.beginShare).describe('Of the same: boxes over it begin tracks.'),
  confirmSeconds: seconds.default(TRACKING_DEFAULTS.confirmSeconds).describe('A track that is seen over so long is confirmed.'),
  keepSeconds: seconds.default(TRACKING_DEFAULTS.keepSeconds).describe("A confirmed track that isn't seen is kept for so long."),
  coastSeconds: seconds.default(TRACKING_DEFAULTS.coastSeconds).describe('So long after a confirmed track was seen, its box is delivered where it is expected, marked as coasted.'),
  minIou: share.default(TRACKING_DEFAULTS.minIou).describe('Least overlap (IoU) of a box with where its track is expected.'),
});
