/** Fuzzy search in metric names: the letters in their order, better where they stand together or begin a part. */

/** A search in these names: those that fit, the best first. What is looked at anew with each letter is prepared once. */
export function finder(names: string[]): (pattern: string) => string[] {
  let lower: string[] | null = null;
  let known: { pattern: string; found: string[] } | null = null;
  return (pattern) => {
    if (known?.pattern === pattern) return known.found;
    lower ??= names.map((name) => name.toLowerCase());
    const words = pattern.toLowerCase().split(/\s+/).filter(Boolean);
    const fits: { name: string; score: number }[] = [];
    lower.forEach((text, i) => {
      const score = scoreOf(text, words);
      if (score !== null) fits.push({ name: names[i], score });
    });
    fits.sort((a, b) => b.score - a.score || (a.name < b.name ? -1 : 1));
    known = { pattern, found: fits.map(({ name }) => name) };
    return known.found;
  };
}

/** Higher is better; null when the letters are not all there in this order. */
function scoreOf(lower: string, words: string[]): number | null {
  let score = 0;
  for (const word of words) {
    const one = wordScore(lower, word);
    if (one === null) return null;
    score += one;
  }
  return score - lower.length / 1000;
}

function wordScore(text: string, word: string): number | null {
  const whole = text.indexOf(word);
  if (whole >= 0) return 100 + (startsPart(text, whole) ? 20 : 0);
  // From every place of the first letter: the first of them is seldom the one that is meant.
  let best: number | null = null;
  for (let start = text.indexOf(word[0]); start >= 0; start = text.indexOf(word[0], start + 1)) {
    const score = scoreFrom(text, word, start);
    if (score !== null && (best === null || score > best)) best = score;
  }
  return best;
}

/** Better where letters stand together or begin a part, worse the further they are apart. */
function scoreFrom(text: string, word: string, start: number): number | null {
  let score = 0;
  let at = start - 1;
  for (const letter of word) {
    const next = text.indexOf(letter, at + 1);
    if (next < 0) return null;
    score += (next === at + 1 ? 3 : 0) + (startsPart(text, next) ? 2 : 0);
    at = next;
  }
  return score - (at - start) / 10;
}

function startsPart(text: string, at: number): boolean {
  return at === 0 || /[./_-]/.test(text[at - 1]);
}
