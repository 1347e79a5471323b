import stringWidth from 'string-width';
import { printable } from '../text/printable.ts';
import { cut } from '../text/terminal.ts';
import { type Html, html } from './html.ts';
import type { Curve, LayOut, Point, Size } from './layout-graph.ts';
import type { Neighbourhood } from './neighbourhoods.ts';
import type { Node } from './surroundings.ts';

// Width of a character in the widest font of the style sheet.
const nameWidth = 7.8;
const noteWidth = 6.4;
const padding = 12;
const height = 44;
const margin = 2;

/** The width available on the page. */
const mostWidth = 1080;

/** Draws a neighbourhood as SVG, in the colors of the page. */
export function drawPicture(neighbourhood: Neighbourhood, label: string, layOut: LayOut): Html {
  const roomy = arrange(neighbourhood, 34, layOut);
  // If the picture is wider than the page, long texts are cut shorter.
  const { texts, box, placed } = roomy.placed.width > mostWidth ? arrange(neighbourhood, 22, layOut) : roomy;
  const [width, tall] = [placed.width, placed.height].map((length) => Math.ceil(length) + 2 * margin);
  const viewBox = `${-margin} ${-margin} ${width} ${tall}`;
  return html`<svg role="img" aria-label="${label}" width="${width ?? 0}" height="${tall ?? 0}" viewBox="${viewBox}">
<title>${label}</title>
${neighbourhood.edges.map(({ title, lost }, index) => drawEdge(placed.edges.get(index), title, lost))}${neighbourhood.nodes.map((node, index) => drawNode(node, texts[index], placed.nodes.get(index), box))}</svg>`;
}

/** Lays out boxes that are as wide as their longest text, which is cut to the given number of columns. */
function arrange(neighbourhood: Neighbourhood, columns: number, layOut: LayOut) {
  const texts = neighbourhood.nodes.map(({ name, note }) => ({
    name: cut(printable(name), columns),
    note: cut(printable(note), (columns * nameWidth) / noteWidth),
  }));
  const widths = texts.flatMap(({ name, note }) => [
    stringWidth(name) * nameWidth,
    stringWidth(note) * noteWidth,
  ]);
  const box = { width: Math.ceil(Math.max(...widths)) + 2 * padding, height };
  return { texts, box, placed: layOut(neighbourhood, box) };
}

function drawNode(
  { name, note, fate }: Node,
  text: Pick<Node, 'name' | 'note'> | undefined,
  middle: Point | undefined,
  box: Size,
): Html | null {
  if (text === undefined || middle === undefined) return null;
  const [x, y] = [round(middle.x - box.width / 2), round(middle.y - box.height / 2)];
  return html`<g class="node ${fate}"><title>${name}: ${note}</title><rect x="${x}" y="${y}" width="${box.width}" height="${box.height}" rx="6"/><text class="name" x="${x + padding}" y="${round(y + 19)}">${text.name}</text><text class="note" x="${x + padding}" y="${round(y + 34)}">${text.note}</text></g>
`;
}

function drawEdge(curve: Curve | undefined, title: string, lost: boolean): Html | null {
  const [start, ...rest] = curve?.points ?? [];
  const last = rest.at(-1);
  if (curve === undefined || start === undefined || last === undefined) return null;
  const path = `M${at(start)}C${rest.map(at).join(' ')}`;
  return html`<g class="edge${lost ? ' lost' : ''}"><title>${title}</title><path class="line" d="${path}"/><path class="tip" d="${arrow(last, curve.tip)}"/></g>
`;
}

/** The triangle of an arrow. */
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
