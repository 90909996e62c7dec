/**
 * Fewest insertions, deletions and replacements of a character and swaps of two neighbours that make `a` into `b`, no part edited twice
 * (Damerau 1964: four of five misspellings are one of these).
 */
export function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? beforeLast[j - 2]! + 1 : Infinity;
      row.push(Math.min(replaced, swapped, last[j]! + 1, row[j - 1]! + 1));
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}

/** The one of `words` that `misspelt` was probably meant to be; undefined where more than a third of its letters would have to change. */
export function nearestWord(misspelt: string, words: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.floor(misspelt.length / 3));
  let nearest: string | undefined;
  let nearestDistance = limit + 1;
  for (const word of words) {
    // Each letter of a difference in length is a change: long nonsense need not be compared.
    if (Math.abs(word.length - misspelt.length) > limit) continue;
    const distance = editDistance(misspelt.toLowerCase(), word.toLowerCase());
    if (distance < nearestDistance) {
      nearest = word;
      nearestDistance = distance;
    }
  }
  return nearest;
}
