import { type Content, type Html, html } from './html.ts';

/** A label for a state; the word selects its color. */
export function badge(word: string): Html {
  return html`<span class="badge ${word.replaceAll(' ', '-')}">${word}</span>`;
}

/** A name or a literal text. */
export function name(text: string): Html {
  return html`<code>${text}</code>`;
}

/** The first `most` names and the number of the others. */
export function nameList(names: readonly string[], most = 10): Content {
  const more = names.length - most;
  return [
    names.slice(0, most).map((text, index) => [index === 0 ? null : ', ', name(text)]),
    more > 0 ? `, ${more} more` : null,
  ];
}

export interface Column {
  readonly title: string;
  /** `number`: right-aligned, with figures of equal width. */
  readonly kind?: 'number' | 'name' | 'state';
}

export function table(columns: readonly Column[], rows: readonly (readonly Content[])[]): Html {
  // On a narrow screen, cells are stacked, except in tables with numbers.
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

/** Folded on screen, expanded in print. */
export function folded(title: Content, body: Content): Html {
  return html`<details><summary>${title}</summary>
${body}
</details>
`;
}

/** A text, folded if it is long. */
export function shortened(text: string): Content {
  const characters = [...text];
  return characters.length <= 300 ? text : folded(`${characters.slice(0, 200).join('')}…`, text);
}

/** Formats a number: `1,001`. */
export function grouped(count: number): string {
  return count.toLocaleString('en');
}

export function bullets(items: readonly Content[]): Html {
  return html`<ul>${items.map((item) => html`<li>${item}</li>`)}</ul>`;
}
