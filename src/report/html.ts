import { printable } from '../text/printable.ts';

/** The values that a template accepts: text from any source, markup, lists of both, and null for nothing. */
export type Content = string | number | Html | null | readonly Content[];

/** Markup. Create it with `html`, which escapes its values. The constructor does not escape. */
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

/** Escapes a text for elements and quoted attributes. Control and bidirectional characters become visible. */
function inert(text: string): string {
  return printable(text).replace(/[&<>"']/g, (character) => entities[character] ?? '');
}

function render(content: Content): string {
  if (content === null) return '';
  if (content instanceof Html) return content.text;
  if (Array.isArray(content)) return content.map(render).join('');
  return inert(String(content));
}

/** A template tag for markup. It escapes every value that is not markup. */
export function html(markup: TemplateStringsArray, ...values: readonly Content[]): Html {
  return new Html(markup.map((part, index) => part + render(values[index] ?? null)).join(''));
}

/** Escapes a text line by line, so that line breaks are kept. */
export function lines(text: string): Html {
  return new Html(text.split('\n').map(inert).join('\n'));
}
