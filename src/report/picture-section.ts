import type { Graph, Subject } from './graph.ts';
import { type Content, type Html, html } from './html.ts';
import type { LayOut } from './layout-graph.ts';
import { findNeighbourhoods, type Neighbourhood } from './neighbourhoods.ts';
import type { Section } from './page.ts';
import { folded, list, name } from './parts.ts';
import { drawPicture } from './picture.ts';
import { relationsOf } from './words.ts';

const legend: readonly [string, string][] = [
  ['goes', 'a pending migration drops it'],
  ['waits', 'waits for approval'],
  ['candidate', 'the audit calls it a candidate'],
  ['ask', 'the audit asks about it'],
  ['along', 'belongs to others, would go along'],
  ['stays', 'stays'],
];

/** What may go, and what is around it: in pictures where they can be laid out, and in words. */
export function pictureSection(graph: Graph, layOut: LayOut | undefined): Section {
  return {
    id: 'picture',
    title: 'Picture',
    body: graph.subjects.length === 0 ? html`<p>There is no table that may go.</p>` : draw(graph, layOut),
  };
}

function draw(graph: Graph, layOut: LayOut | undefined): Content {
  const shown = findNeighbourhoods(graph);
  const left = graph.subjects.length - shown.reduce((sum, { subjects }) => sum + subjects.length, 0);
  const fates = new Set<string>(shown.flatMap(({ nodes }) => nodes.map(({ fate }) => fate)));
  return [
    layOut === undefined
      ? html`<p class="warning">The pictures are left out, since Graphviz is not installed: <code>npm install --save-dev @hpcc-js/wasm-graphviz</code>. What they would show follows in words.</p>`
      : html`<p>An arrow leads from what needs to what is needed.${shown.some(({ edges }) => edges.some(({ lost }) => lost)) ? ' A broken red one is a foreign key that what stays would lose, or a function that would fail.' : null}</p>
<ul class="legend">${legend.map(([fate, meaning]) => (fates.has(fate) ? html`<li class="${fate}">${meaning}</li>` : null))}</ul>`,
    shown.map((one, index) => figure(one, shown.length > 1 ? `${index + 1} of ${shown.length}` : '', layOut)),
    left === 0
      ? null
      : html`<p>And ${left} more tables that may go: they are in the list of tables, and in no picture.</p>`,
  ];
}

function figure(one: Neighbourhood, which: string, layOut: LayOut | undefined): Html {
  const { migration, subjects } = one;
  const words = list(subjects.map(describe));
  const label = `${migration ?? 'Found by the audit'}: ${subjects.map(({ table }) => table).join(', ')}`;
  return html`<figure>
<figcaption>${migration === null ? 'Found by the audit' : name(migration)} <span>${which}</span></figcaption>
${layOut === undefined ? words : [html`<div class="scroll" tabindex="0">${drawPicture(one, label, layOut)}</div>`, folded('In words', words)]}
</figure>
`;
}

function describe(subject: Subject): Content {
  return [
    name(subject.table),
    relationsOf(subject).map(({ what, names, more }, index) => [
      index === 0 ? ': ' : '; ',
      what,
      names.map((one, position) => [position === 0 ? ' ' : ', ', name(one)]),
      more === 0 ? null : ` and ${more} more`,
    ]),
  ];
}
