/** Throws on a broken invariant of our own: a programmer's error, never a user's. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`Invariant broken: ${message}`);
}

/** Closes a switch over a union: the compiler proves that nothing is left. */
export function assertNever(value: never): never {
  throw new Error(`Invariant broken: unexpected ${JSON.stringify(value)}`);
}
