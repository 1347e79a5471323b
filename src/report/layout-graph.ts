import { isMissing } from '../knex/missing-package.ts';
import type { Surroundings } from './surroundings.ts';

/** The positions of nodes and edges, in SVG units from the upper left corner. */
export interface Placed {
  readonly width: number;
  readonly height: number;
  /** The center of each node, by its number. */
  readonly nodes: ReadonlyMap<number, Point>;
  /** By the number of the edge. */
  readonly edges: ReadonlyMap<number, Curve>;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** A spline of Bézier curves, and the tip of the arrow after it. */
export interface Curve {
  readonly points: readonly Point[];
  readonly tip: Point;
}

/** Lays out boxes of equal size. */
export type LayOut = (drawn: Surroundings, box: Size) => Placed;

/** The number of unconnected nodes in one row. */
const abreast = 3;

/** The distance between two columns of boxes. Graphviz has 72 units per inch. */
const gap = 80;
const inch = 72;

const arrow = 9;

/** Loads Graphviz. Returns undefined if it is not installed. */
export async function loadLayout(): Promise<LayOut | undefined> {
  const module = await importGraphviz();
  if (module === undefined) return undefined;
  const graphviz = await module.Graphviz.load();
  return (drawn, box) => {
    const laid = graphviz.layout(writeDot(drawn, box), 'json', 'dot', { yInvert: true });
    return place(JSON.parse(laid), box);
  };
}

async function importGraphviz(): Promise<typeof import('@hpcc-js/wasm-graphviz') | undefined> {
  // The name is no literal, because a bundler would require the optional package.
  const name = ['@hpcc-js', 'wasm-graphviz'].join('/');
  try {
    return await import(name);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Writes the graph in the DOT language. It contains no names: nodes and edges are numbered. */
export function writeDot({ nodes, edges }: Surroundings, box: Size): string {
  const numbers = new Map(nodes.map(({ id }, index) => [id, index]));
  const connected = new Set(edges.flatMap(({ from, to }) => [from, to]));
  const alone = nodes.flatMap(({ id }, index) => (connected.has(id) ? [] : index));
  return [
    'digraph {',
    `graph [rankdir=LR, nodesep=0.2, ranksep=${gap / inch}]`,
    `node [shape=box, fixedsize=true, width=${box.width / inch}, height=${box.height / inch}]`,
    'edge [tailport=e, headport=w]',
    ...nodes.map((_, index) => `n${index}`),
    ...edges.map(({ from, to }, index) => `n${numbers.get(from)} -> n${numbers.get(to)} [number=${index}]`),
    ...alone.flatMap((node, index) =>
      index % abreast === 0 ? [] : `n${alone[index - 1]} -> n${node} [style=invis]`,
    ),
    '}',
  ].join('\n');
}

/** The output of Graphviz. `number` is set by `writeDot`; an edge without it serves only the layout. */
interface Laid {
  readonly bb: string;
  readonly objects?: readonly { name: string; pos: string }[];
  readonly edges?: readonly { tail: number; head: number; pos: string; number?: string }[];
}

function place({ bb, objects = [], edges = [] }: Laid, box: Size): Placed {
  const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = bb.split(',').map(Number);
  const [left, top] = [Math.min(x0, x1), Math.min(y0, y1)];
  const point = (pair: string): Point => {
    const [x = 0, y = 0] = pair.split(',').map(Number);
    return { x: x - left, y: y - top };
  };
  const middles = objects.map(({ pos }) => point(pos));
  const curves = new Map<number, Curve>();
  for (const { tail, head, pos, number } of edges) {
    if (number === undefined) continue;
    // `e,x,y x,y x,y …`: the tip of the arrow, then the spline.
    const [tip = '', ...points] = pos.replace('e,', '').split(' ');
    const routed = { points: points.map(point), tip: point(tip) };
    curves.set(Number(number), between(middles[tail], middles[head], box) ?? routed);
  }
  return {
    width: Math.abs(x1 - x0),
    height: Math.abs(y1 - y0),
    nodes: new Map(
      objects.map(({ name }, index) => [Number(name.slice(1)), middles[index] ?? { x: 0, y: 0 }]),
    ),
    edges: curves,
  };
}

/** Between adjacent columns no box is in the way, and a single curve is easier to follow than the spline. */
function between(tail: Point | undefined, head: Point | undefined, { width }: Size): Curve | undefined {
  if (tail === undefined || head === undefined) return undefined;
  const start = { x: tail.x + width / 2, y: tail.y };
  const tip = { x: head.x - width / 2, y: head.y };
  if (tip.x - start.x < gap / 2 || tip.x - start.x > gap * 1.5) return undefined;
  const end = { x: tip.x - arrow, y: tip.y };
  const half = (start.x + end.x) / 2;
  return { points: [start, { x: half, y: start.y }, { x: half, y: end.y }, end], tip };
}
