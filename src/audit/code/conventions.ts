import { wordsOf } from '../../text/words.ts';

/** Where a pattern matched. */
export interface Context {
  readonly file: string;
  readonly text: string;
  readonly offset: number;
}

/**
 * How a framework derives the name of a table from code that does not contain it. Singular and plural, `OrderItem` and
 * `order_item` are not distinguished. Names that the code contains, as in `@@map("orders")`, need no convention.
 */
export interface Convention {
  readonly framework: string;
  readonly files: RegExp;
  /** Its groups are the parts of the name. */
  readonly pattern: RegExp;
  /** The possible names, each as its parts; by default the groups. */
  parts?(groups: readonly string[], context: Context): readonly (readonly string[])[];
  /** Whether the framework may put these words before the name; by default nothing. */
  prefix?(words: readonly string[], context: Omit<Context, 'offset'>): boolean;
}

const ruby = /\.rb$/;
const python = /\.py$/;
const script = /\.[cm]?[jt]sx?$/;
const jvm = /\.(java|kt|groovy|scala)$/;
const prisma = /\.prisma$/;

export const conventions: readonly Convention[] = [
  {
    framework: 'Rails',
    files: ruby,
    pattern: /^[ \t]*class\s+([\w:]+)\s*</gm,
    prefix: isNamespace,
  },
  {
    framework: 'Rails: join tables',
    files: ruby,
    pattern: /\bhas_and_belongs_to_many[\s(]+:(\w+)/g,
    parts: ([field = ''], context) => inBothOrders(ownerOf(context), field),
    prefix: isNamespace,
  },
  // The prefix is the label of the app, which may differ from its folder.
  { framework: 'Django', files: python, pattern: /^class\s+(\w+)\s*\(/gm, prefix: () => true },
  {
    framework: 'Django: join tables',
    files: python,
    pattern: /^[ \t]+(\w+)\s*(?::[^=\n]*)?=\s*(?:\w+\.)*\w*ManyToManyField\(/gm,
    parts: ([field = ''], context) => [[ownerOf(context), field]],
    prefix: () => true,
  },
  { framework: 'SQLAlchemy, SQLModel', files: python, pattern: /^[ \t]*class\s+(\w+)\s*\(/gm },
  {
    framework: 'Prisma: join tables',
    files: prisma,
    pattern: /^[ \t]+\w+\s+(\w+)\[\]/gm,
    parts: ([target = ''], context) => {
      const owner = ownerOf(context);
      return [
        [owner, 'to', target],
        [target, 'to', owner],
      ];
    },
  },
  { framework: 'Prisma: named relations', files: prisma, pattern: /@relation\((?:\s*name:)?\s*"(\w+)"/g },
  {
    framework: 'TypeORM, MikroORM',
    files: script,
    pattern: /@Entity\b[^{}]*?(?:\{[^{}]*\}[^{}]*?)*\bclass\s+(\w+)/g,
  },
  {
    framework: 'TypeORM, MikroORM: join tables',
    files: script,
    pattern: /@ManyToMany\b[^;]*?\b(\w+)[?!]?:\s*(?:\w+<)?(\w+)(?=\[\]|>)/g,
    parts: ([field = '', target = ''], context) => joinTables(ownerOf(context), field, target),
  },
  {
    framework: 'Sequelize',
    files: script,
    pattern:
      /\bclass\s+(\w+)\s+extends\s+(?:\w+\.)?\w*Model\b|\.define(?:<[^>]*>)?\(\s*['"`](\w+)|\bmodelName:\s*['"`](\w+)/g,
  },
  { framework: 'JPA', files: jvm, pattern: /@Entity\b[^{}]*?(?:\{[^{}]*\}[^{}]*?)*\bclass\s+(\w+)/g },
  {
    framework: 'JPA: join tables',
    files: jvm,
    pattern: /@(?:ManyToMany|OneToMany|ElementCollection)\b[^;]*?<(?:[\w?]+,\s*)?(\w+)>\s+(\w+)/g,
    parts: ([target = '', field = ''], context) => joinTables(ownerOf(context), field, target),
  },
  {
    framework: 'Eloquent',
    files: /\.php$/,
    pattern: /\bclass\s+(\w+)\s+extends\s+(?:\w+\\)*(?:\w*Model|Authenticatable|Pivot)\b/g,
  },
  {
    framework: 'Eloquent: join tables',
    files: /\.php$/,
    pattern: /->belongsToMany\(\s*\\?(?:\w+\\)*(\w+)::class/g,
    parts: ([target = ''], context) => inBothOrders(ownerOf(context), target),
  },
  { framework: 'GORM', files: /\.go$/, pattern: /^type\s+(\w+)\s+struct\b/gm },
  { framework: 'Entity Framework', files: /\.cs$/, pattern: /\bDbSet<(?:\w+\.)*(\w+)>/g },
];

/** The last class or model that begins before a place. */
function ownerOf({ text, offset }: Context): string {
  const classes = text.slice(0, offset).matchAll(/^[ \t]*(?:\w+[ \t]+)*?(?:class|model)[ \t]+([\w:]+)/gm);
  return [...classes].at(-1)?.[1] ?? '';
}

function inBothOrders(one: string, other: string): string[][] {
  return [
    [one, other],
    [other, one],
  ];
}

function joinTables(owner: string, field: string, target: string): string[][] {
  return [
    [owner, field],
    [owner, target],
    [owner, field, target],
  ];
}

/** Whether the words are modules or folders around a class: `Spree::Order` is in `spree_orders`. */
function isNamespace(words: readonly string[], { file, text }: Omit<Context, 'offset'>): boolean {
  const modules = [...text.matchAll(/\bmodule\s+([\w:]+)|\b(\w+(?:::\w+)*)::\w+/g)].map(
    ([, a, b]) => a ?? b ?? '',
  );
  const around = new Set([file, ...modules].flatMap((name) => name.split(/[^A-Za-z0-9]+/)).flatMap(wordsOf));
  return words.every((word) => around.has(word));
}
