/** Splits a name into its words, in lower case: `recipe_run_id` and `recipeRunId` give recipe, run, id. */
export function wordsOf(name: string): string[] {
  if (/^[a-z0-9_]+$/.test(name)) return name.split('_').filter((word) => word !== '');
  return name
    .replaceAll(/(\p{Ll}|\d)(\p{Lu})/gu, '$1_$2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u)
    .filter((word) => word !== '');
}

const irregular: Readonly<Record<string, string>> = {
  people: 'person',
  children: 'child',
  men: 'man',
  women: 'woman',
  indices: 'index',
  statuses: 'status',
};

/** Returns all possible singulars of a word, including the word itself. English has no exact rule. */
function singulars(word: string): string[] {
  return [
    word,
    irregular[word] ?? word,
    word.replace(/ies$/, 'y'),
    word.replace(/([sxz]|ch|sh)es$/, '$1'),
    word.replace(/([^s])s$/, '$1'),
    word.replace(/yses$/, 'ysis'),
    word.replace(/ices$/, 'ix'),
  ];
}

/** Returns whether two words are equal, ignoring singular and plural. */
export function isSameWord(word: string, otherWord: string): boolean {
  if (word === otherWord) return true;
  const forms = singulars(word);
  return singulars(otherWord).some((form) => forms.includes(form));
}

export function isPlural(word: string): boolean {
  return word.length > 3 && (Object.hasOwn(irregular, word) || /[^su]s$/.test(word)) && !/is$/.test(word);
}

/** Returns whether a name ends with these words: `workflow_runs` ends with run. */
export function endsWith(name: readonly string[], end: readonly string[]): boolean {
  if (end.length === 0 || end.length > name.length) return false;
  const tail = name.slice(name.length - end.length);
  return tail.every((word, index) => isSameWord(word, end[index] ?? ''));
}

/** Returns whether two names are equal, ignoring singular and plural. */
export function isSameName(name: readonly string[], otherName: readonly string[]): boolean {
  return name.length === otherName.length && endsWith(name, otherName);
}

/** An index of names by their last words. */
export class NameIndex<Named> {
  readonly #byLastWord = new Map<string, { words: readonly string[]; named: Named }[]>();
  readonly #answers = new Map<string, boolean>();

  constructor(all: Iterable<Named>, wordsOfNamed: (named: Named) => readonly string[]) {
    for (const named of all) {
      const words = wordsOfNamed(named);
      for (const form of new Set(singulars(words.at(-1) ?? ''))) {
        const group = this.#byLastWord.get(form);
        if (group === undefined) this.#byLastWord.set(form, [{ words, named }]);
        else group.push({ words, named });
      }
    }
  }

  /** Returns all entries whose name ends with these words. */
  endingWith(end: readonly string[]): Named[] {
    const found = new Set<Named>();
    for (const { words, named } of this.#alike(end)) if (endsWith(words, end)) found.add(named);
    return [...found];
  }

  hasEnd(end: readonly string[]): boolean {
    return this.#remember(`end ${end.join(' ')}`, () =>
      this.#alike(end).some(({ words }) => endsWith(words, end)),
    );
  }

  has(name: readonly string[]): boolean {
    return this.#remember(`name ${name.join(' ')}`, () =>
      this.#alike(name).some(({ words }) => isSameName(words, name)),
    );
  }

  #alike(name: readonly string[]) {
    return [...new Set(singulars(name.at(-1) ?? ''))].flatMap((form) => this.#byLastWord.get(form) ?? []);
  }

  // Many tables have the same column names.
  #remember(question: string, answer: () => boolean): boolean {
    const known = this.#answers.get(question) ?? answer();
    this.#answers.set(question, known);
    return known;
  }
}
