import { printable } from '../text/printable.ts';

/** What a template takes: text of whatever origin, markup, lists of both, and nothing at all. */
export type Content = string | number | Html | null | readonly Content[];

/** Markup. Only `html` makes it of text; who calls the constructor vouches for what is in it. */
export class Html {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Inert in an element and in a quoted attribute; what steers or turns text is made visible. */
function inert(text: string): string {
  return printable(text).replace(/[&<>"']/g, (character) => entities[character] ?? '');
}

function render(content: Content): string {
  if (content === null) return '';
  if (content instanceof Html) return content.text;
  if (Array.isArray(content)) return content.map(render).join('');
  return inert(String(content));
}

/** A template of markup in which every value is escaped that is not markup itself. */
export function html(markup: TemplateStringsArray, ...values: readonly Content[]): Html {
  return new Html(markup.map((part, index) => part + render(values[index] ?? null)).join(''));
}

/** The lines of a text, each escaped. */
export function lines(text: string): Html {
  return new Html(text.split('\n').map(inert).join('\n'));
}
