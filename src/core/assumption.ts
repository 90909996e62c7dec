/**
 * Where a fact about a model comes from: its graph, its metadata, the user's word, a measured run, a manifest, or a habit of those who
 * export such models.
 */
export type AssumptionSource = 'graph' | 'metadata' | 'option' | 'measured' | 'manifest' | 'assumed';

/** A fact about a model that its reading depends on, and why it is believed. */
export interface Assumption {
  readonly what: string;
  readonly value: string;
  readonly source: AssumptionSource;
  /** What was seen, for people; empty where there is nothing beyond the source. */
  readonly evidence: string;
}
