/**
 * What an edge of the graph does with a frame that comes while the next stage is busy.
 * `latest` keeps only the newest; `drop` keeps the waiting one and drops the newcomer; `{ buffer: n }` keeps the newest n in order;
 * `block` keeps all, and the source waits (its pool is empty) so that nothing is lost.
 */
export type Overflow = 'latest' | 'drop' | 'block' | { readonly buffer: number };

/** Why an edge or a stage dropped a frame. */
export type DropReason = 'replaced_by_newer' | 'stage_busy' | 'buffer_full' | 'stage_failed' | 'stopped';
