import { relative, sep } from 'node:path';
import ignore from 'ignore';

/** The `.gitignore` files that apply in a folder: its own and those above it. https://git-scm.com/docs/gitignore */
export class IgnoreFiles {
  readonly #top: string;
  readonly #rules = ignore({ ignorecase: false });
  #isEmpty = true;

  /** @param top the top folder of the repository */
  constructor(top: string) {
    this.#top = top;
  }

  /** Returns the files that apply in an inner folder with a `.gitignore` of its own. */
  with(folder: string, text: string): IgnoreFiles {
    const inner = new IgnoreFiles(this.#top);
    const place = this.#pathOf(folder).replaceAll(/[\\*?[\]]/g, '\\$&');
    const lines = text.replace(/^\ufeff/, '').split(/\r?\n/);
    inner.#rules.add(this.#rules).add(lines.map((line) => translate(place, line)));
    inner.#isEmpty = false;
    return inner;
  }

  ignores(path: string, isFolder: boolean): boolean {
    // The package `ignore` takes longer to find that nothing is ignored.
    if (this.#isEmpty) return false;
    return this.#rules.ignores(isFolder ? `${this.#pathOf(path)}/` : this.#pathOf(path));
  }

  #pathOf(path: string): string {
    return relative(this.#top, path).replaceAll(sep, '/');
  }
}

/** Translates a line of the file in an inner folder into one of the file in the top folder. */
function translate(place: string, line: string): string {
  const [, negation = '', pattern = ''] = /^(!?)(.*)$/s.exec(line) ?? [];
  if (place === '' || line.startsWith('#')) return line;
  if (/^[/ ]*$/.test(pattern)) return '';
  // A pattern with a slash before its end is relative to its folder; any other matches at any depth.
  const depth = /\/(?! *$)/.test(pattern) ? '' : '/**';
  return `${negation}/${place}${depth}/${pattern.replace(/^\//, '')}`;
}
