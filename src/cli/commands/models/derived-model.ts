import type { ModelManifest } from '../../../core/manifest.js';
import { say, yellow } from '../../terminal.js';

/** Usual id of a model that is made from another one: `street@50` gives `street-50-int8`. */
export function derivedId({ id }: ModelManifest, suffix: string): string {
  return `${id.replace('@', '-')}-${suffix}`;
}

/** Says what becomes of an elastic model's ratios. */
export function sayElastic({ id, elastic }: ModelManifest): void {
  if (elastic) say(`${yellow('elastic')}: the new model has the whole width of ${id} alone, no ratios; of a ratio it is made with ${id}@<ratio>`);
}
