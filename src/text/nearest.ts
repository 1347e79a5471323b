/** Returns the word of a list with the smallest edit distance, or undefined if none is similar. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  const found = words.map((other) => ({ other, changes: changesBetween(word, other) }));
  const [best] = found.sort((a, b) => a.changes - b.changes);
  return best !== undefined && best.changes <= Math.max(1, word.length / 3) ? best.other : undefined;
}

/** https://en.wikipedia.org/wiki/Levenshtein_distance */
function changesBetween(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [place, letter] of [...one].entries()) {
    const next = [place + 1];
    for (let index = 0; index < other.length; index++) {
      const replaced = (row[index] ?? 0) + (letter === other[index] ? 0 : 1);
      next.push(Math.min(replaced, (row[index + 1] ?? 0) + 1, (next[index] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
