import type { Graph, Subject } from './graph.ts';
import { type Content, type Html, html } from './html.ts';
import type { LayOut } from './layout-graph.ts';
import { findNeighbourhoods, type Neighbourhood } from './neighbourhoods.ts';
import type { Section } from './page.ts';
import { bullets, folded, name, nameList } from './parts.ts';
import { drawPicture } from './picture.ts';
import { relationsOf } from './words.ts';

const legend: readonly [string, string][] = [
  ['goes', 'a pending migration drops it'],
  ['waits', 'waits for approval'],
  ['candidate', 'candidate of the audit'],
  ['ask', 'question of the audit'],
  ['along', 'dependent object, would be dropped too'],
  ['stays', 'not dropped'],
];

/** The subjects and their surroundings: in pictures if Graphviz is installed, and as text. */
export function pictureSection(graph: Graph, layOut: LayOut | undefined): Section {
  return {
    id: 'picture',
    title: 'Picture',
    body:
      graph.subjects.length === 0
        ? html`<p>No pending migration drops a table, and the audit has no candidates and no questions.</p>`
        : draw(graph, layOut),
  };
}

function draw(graph: Graph, layOut: LayOut | undefined): Content {
  const shown = findNeighbourhoods(graph);
  const left = graph.subjects.length - shown.reduce((sum, { subjects }) => sum + subjects.length, 0);
  const fates = new Set<string>(shown.flatMap(({ nodes }) => nodes.map(({ fate }) => fate)));
  return [
    layOut === undefined
      ? html`<p class="warning">Graphviz is not installed; text replaces the pictures. To install it: <code>npm install --save-dev @hpcc-js/wasm-graphviz</code></p>`
      : html`<p>An arrow leads from an object to the object that it depends on.${shown.some(({ edges }) => edges.some(({ lost }) => lost)) ? ' A dashed red arrow is a foreign key that another table would lose, or a function that would fail.' : null}</p>
<ul class="legend">${legend.map(([fate, meaning]) => (fates.has(fate) ? html`<li class="${fate}">${meaning}</li>` : null))}</ul>`,
    shown.map((neighbourhood, index) =>
      figure(neighbourhood, shown.length > 1 ? `${index + 1} of ${shown.length}` : '', layOut),
    ),
    left === 0 ? null : html`<p>${left} more tables are in no picture; the list of tables has them.</p>`,
  ];
}

function figure(neighbourhood: Neighbourhood, which: string, layOut: LayOut | undefined): Html {
  const { migration, subjects } = neighbourhood;
  const words = bullets(subjects.map(describe));
  const label = `${migration ?? 'Found by the audit'}: ${subjects.map(({ table }) => table).join(', ')}`;
  return html`<figure>
<figcaption>${migration === null ? 'Found by the audit' : name(migration)} <span>${which}</span></figcaption>
${layOut === undefined ? words : [html`<div class="scroll" tabindex="0">${drawPicture(neighbourhood, label, layOut)}</div>`, folded('As text', words)]}
</figure>
`;
}

function describe(subject: Subject): Content {
  return [
    name(subject.table),
    relationsOf(subject).map(({ what, names }, index) => [
      index === 0 ? ': ' : '; ',
      what,
      names.length === 0 ? null : [' ', nameList(names)],
    ]),
  ];
}
