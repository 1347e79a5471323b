import { createHash } from 'node:crypto';
import { type Content, Html, html } from './html.ts';
import { script } from './script.ts';
import { style } from './style.ts';

export interface Section {
  /** The target of links within the page. */
  readonly id: string;
  readonly title: string;
  readonly body: Content;
}

export interface Page {
  /** The kind of page, shown above the name. */
  readonly kind: string;
  readonly name: string;
  /** Short facts, shown below the name. */
  readonly facts: readonly Content[];
  readonly sections: readonly Section[];
}

/** Writes a self-contained HTML page. It loads nothing, and its policy allows only its own script and style. */
export function writePage({ kind, name, facts, sections }: Page): string {
  const policy = `default-src 'none'; style-src ${hash(style)}; script-src ${hash(script)}; base-uri 'none'; form-action 'none'`;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${new Html(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="knex-undrop">
<meta name="referrer" content="no-referrer">
<title>${name}: ${kind}</title>
<style>${new Html(style)}</style>
</head>
<body>
<header>
<p class="kind">${kind}</p>
<h1>${name}</h1>
<p class="facts">${facts.map((fact) => html`<span>${fact}</span> `)}</p>
${sections.length > 1 ? html`<nav aria-label="Sections">${sections.map(({ id, title }) => html`<a href="#${id}">${title}</a> `)}</nav>` : null}
</header>
<main>
${sections.map(
  ({ id, title, body }) => html`<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title">${title}</h2>
${body}
</section>
`,
)}</main>
<script>${new Html(script)}</script>
</body>
</html>
`.text;
}

function hash(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}
