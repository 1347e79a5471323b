import { columnsOf } from '../audit/layout.ts';
import { printable } from '../printable.ts';
import { type Html, html } from './html.ts';
import type { LayOut, Placed, Point } from './layout-graph.ts';
import type { Neighbourhood } from './neighbourhoods.ts';

// Of a monospaced font of 12.5 pixels, the widest of those that the style names; longer names are cut.
const columnWidth = 7.8;
const mostColumns = 32;
const padding = 12;
const height = 44;
const margin = 2;

/** A neighbourhood as SVG; the colours are those of the page. */
export function drawPicture(neighbourhood: Neighbourhood, label: string, layOut: LayOut): Html {
  const { nodes, edges } = neighbourhood;
  const texts = nodes.map(
    ({ name, note }) => [cut(printable(name), mostColumns), cut(note, mostColumns + 6)] as const,
  );
  const columns = Math.max(...texts.map(([name, note]) => Math.max(columnsOf(name), columnsOf(note) * 0.84)));
  const box = { width: Math.ceil(columns * columnWidth) + 2 * padding, height };
  const placed = layOut(neighbourhood, box);
  const width = Math.ceil(placed.width) + 2 * margin;
  const tall = Math.ceil(placed.height) + 2 * margin;
  return html`<svg role="img" aria-label="${label}" width="${width}" height="${tall}" viewBox="${-margin} ${-margin} ${width} ${tall}">
<title>${label}</title>
${edges.map(({ title, lost }, index) => drawEdge(placed.edges[index], title, lost))}${nodes.map(
  (node, index) => {
    const { x, y } = placed.nodes[index] ?? { x: 0, y: 0 };
    const [name, note] = texts[index] ?? ['', ''];
    const [left, top] = [round(x - box.width / 2), round(y - height / 2)];
    return html`<g class="node ${node.fate}"><title>${node.name}: ${node.note}</title><rect x="${left}" y="${top}" width="${box.width}" height="${height}" rx="6"/><text class="name" x="${left + padding}" y="${top + 19}">${name}</text><text class="note" x="${left + padding}" y="${top + 34}">${note}</text></g>
`;
  },
)}</svg>`;
}

function cut(text: string, columns: number): string {
  let kept = '';
  for (const character of text) {
    if (columnsOf(kept + character) > columns - 1)
      return kept + (columnsOf(text) > columns ? '…' : text.slice(kept.length));
    kept += character;
  }
  return kept;
}

function drawEdge(edge: Placed['edges'][number] | undefined, title: string, lost: boolean): Html | null {
  const [start, ...rest] = edge?.curve ?? [];
  const last = rest.at(-1);
  if (edge === undefined || start === undefined || last === undefined) return null;
  const path = `M${at(start)}C${rest.map(at).join(' ')}`;
  return html`<g class="edge${lost ? ' lost' : ''}"><title>${title}</title><path class="line" d="${path}"/><path class="tip" d="${arrow(last, edge.tip)}"/></g>
`;
}

/** A triangle that ends at the tip. */
function arrow(from: Point, tip: Point): string {
  const [dx, dy] = [tip.x - from.x, tip.y - from.y];
  const side = (sign: number) => ({ x: from.x - sign * dy * 0.4, y: from.y + sign * dx * 0.4 });
  return `M${at(side(1))}L${at(tip)}L${at(side(-1))}Z`;
}

function at({ x, y }: Point): string {
  return `${round(x)},${round(y)}`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
