/** Which object each detection of a frame is, entry by entry with the detections. */
export interface FrameTracks {
  /** Same object over several frames, from 1; 0 for a detection that belongs to no track. */
  readonly ids: Int32Array;
  /** 1 where the track was seen often enough to be believed, 0 where it is tentative. */
  readonly isConfirmed: Uint8Array;
  /** 1 for a box where a lost object is expected, which nothing was detected for in this frame. Those are the last ones. */
  readonly isCoasted: Uint8Array;
  /** Tracks that were confirmed since the stream began, up to this frame. */
  readonly confirmedSoFar: number;
}
