/** One `.gitignore`. */
export interface Ignore {
  readonly folder: string;
  /**
   * @param path from its folder, with `/`
   * @returns undefined where no pattern fits
   */
  decide(path: string, isFolder: boolean): boolean | undefined;
}

interface Pattern {
  readonly ignores: boolean;
  readonly foldersOnly: boolean;
  readonly fits: RegExp;
}

/** https://git-scm.com/docs/gitignore */
export function parseIgnore(folder: string, text: string): Ignore {
  const patterns = text.split(/\r?\n/).flatMap(parsePattern).reverse();
  const decide = (path: string, isFolder: boolean): boolean | undefined =>
    patterns.find(({ fits, foldersOnly }) => (isFolder || !foldersOnly) && fits.test(path))?.ignores;
  return { folder, decide };
}

function parsePattern(line: string): Pattern[] {
  const trimmed = line.replace(/(?<!\\)\s+$/, '');
  if (trimmed === '' || trimmed.startsWith('#')) return [];
  const ignores = !trimmed.startsWith('!');
  const pattern = ignores ? trimmed : trimmed.slice(1);
  const foldersOnly = pattern.endsWith('/');
  const body = foldersOnly ? pattern.slice(0, -1) : pattern;
  // With a slash in it, it is seen from the folder of the file; else it fits at any depth.
  const start = body.includes('/') ? '^' : '(?:^|/)';
  try {
    return [
      { ignores, foldersOnly, fits: new RegExp(`${start}${toExpression(body.replace(/^\//, ''))}$`, 'su') },
    ];
  } catch {
    // Git takes what is no pattern for one that fits nothing.
    return [];
  }
}

function toExpression(glob: string): string {
  const parts = glob.match(/\*\*\/|\/\*\*$|\*+|\?|\[(?:\\.|[^\]\\])+\]|\\.|[^*?[\\]+|./gsu) ?? [];
  return parts
    .map((part) => {
      if (part === '**/') return '(?:.*/)?';
      if (part === '/**') return '/.*';
      if (part.startsWith('*')) return '[^/]*';
      if (part === '?') return '[^/]';
      if (part.startsWith('[') && part.length > 1) return part.replace(/^\[!/, '[^');
      return (part.startsWith('\\') ? part.slice(1) : part).replaceAll(/[.+^${}()|[\]\\/*?]/g, '\\$&');
    })
    .join('');
}
