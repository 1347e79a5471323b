import { type Content, type Html, html } from './html.ts';

/** How something stands: the word decides its colour. */
export function badge(word: string): Html {
  return html`<span class="badge ${word.replaceAll(' ', '-')}">${word}</span>`;
}

/** A name or a text of others, as it is. */
export function name(text: string): Html {
  return html`<code>${text}</code>`;
}

export interface Column {
  readonly title: string;
  /** `number`: to the right, in figures of one width. */
  readonly kind?: 'number' | 'name' | 'state';
}

export function table(columns: readonly Column[], rows: readonly (readonly Content[])[]): Html {
  // Figures are read in columns on any screen; all else can stand one below the other on a narrow one.
  const layout = columns.some(({ kind }) => kind === 'number') ? 'figures' : 'stack';
  return html`<div class="scroll"><table class="${layout}">
<thead><tr>${columns.map(({ title, kind = '' }) => html`<th scope="col" class="${kind}">${title}</th>`)}</tr></thead>
<tbody>
${rows.map(
  (
    cells,
  ) => html`<tr>${cells.map((cell, index) => html`<td class="${columns[index]?.kind ?? ''}">${cell}</td>`)}</tr>
`,
)}</tbody>
</table></div>`;
}

/** Folded up; a printer gets it whole. */
export function folded(title: Content, body: Content): Html {
  return html`<details><summary>${title}</summary>
${body}
</details>
`;
}

/** A text that may be long, folded up where it is. */
export function shortened(text: string): Content {
  const characters = [...text];
  return characters.length <= 300 ? text : folded(`${characters.slice(0, 200).join('')}…`, text);
}

/** `1,001` */
export function grouped(count: number): string {
  return count.toLocaleString('en');
}

export function list(items: readonly Content[]): Html {
  return html`<ul>${items.map((item) => html`<li>${item}</li>`)}</ul>`;
}
