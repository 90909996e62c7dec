const USUAL = 'usual';

type Levels = Readonly<Record<string, string>>;

/** `streams 2, mode latency`. */
export function levelsText(levels: Levels): string {
  return Object.entries(levels)
    .map(([name, level]) => `${name} ${level}`)
    .join(', ');
}

/**
 * Short names of the configurations of a sweep: a level that more than half of them have goes without saying. They stay apart, since a
 * level that is left out is the only one of its factor that is.
 */
export function levelLabels(configurations: readonly Levels[]): (levels: Levels) => string {
  const counts = new Map<string, number>();
  const key = (name: string, level: string) => JSON.stringify([name, level]);
  for (const levels of configurations) for (const [name, level] of Object.entries(levels)) counts.set(key(name, level), (counts.get(key(name, level)) ?? 0) + 1);
  return (levels) => {
    const told = Object.entries(levels).filter(([name, level]) => (counts.get(key(name, level)) ?? 0) * 2 <= configurations.length);
    return told.length === 0 ? USUAL : levelsText(Object.fromEntries(told));
  };
}

/** What `usual` is among these, as a sentence with a space before it; empty where none is called so. */
export function usualText(configurations: readonly Levels[]): string {
  const label = levelLabels(configurations);
  const usual = configurations.find((levels) => label(levels) === USUAL);
  return usual ? ` Usual: ${levelsText(usual)}.` : '';
}
