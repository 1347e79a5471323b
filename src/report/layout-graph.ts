import type { Neighbourhood } from './neighbourhoods.ts';

/** Where everything is, in the units of SVG, from the upper left corner. */
export interface Placed {
  readonly width: number;
  readonly height: number;
  /** The middle of each node, in their order. */
  readonly nodes: readonly Point[];
  /** In the order of the edges: a spline of Bézier curves, and the point that its arrow ends at. */
  readonly edges: readonly { curve: readonly Point[]; tip: Point }[];
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Lays out boxes of one size. */
export type LayOut = (drawn: Pick<Neighbourhood, 'nodes' | 'edges'>, box: Size) => Placed;

/** How many that are tied to nothing stand beside each other. */
const abreast = 3;

/** Loads Graphviz. Undefined where it is not installed. */
export async function loadLayout(): Promise<LayOut | undefined> {
  const module = await import('@hpcc-js/wasm-graphviz').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  });
  if (module === undefined) return undefined;
  const graphviz = await module.Graphviz.load();
  return (drawn, box) => {
    const { nodes, edges } = drawn;
    return place(
      graphviz.layout(writeDot(drawn, box), 'json', 'dot', { yInvert: true }),
      nodes.length,
      edges.length,
    );
  };
}

/** In the language of Graphviz. Of names it holds nothing: boxes and edges go by number. */
export function writeDot({ nodes, edges }: Pick<Neighbourhood, 'nodes' | 'edges'>, box: Size): string {
  const numbers = new Map(nodes.map(({ id }, index) => [id, index]));
  const tied = new Set(edges.flatMap(({ from, to }) => [from, to]));
  const alone = nodes.flatMap(({ id }, index) => (tied.has(id) ? [] : index));
  return [
    'digraph {',
    'graph [rankdir=LR, nodesep=0.2, ranksep=0.75]',
    // Graphviz has 72 units to the inch.
    `node [shape=box, fixedsize=true, width=${box.width / 72}, height=${box.height / 72}]`,
    ...nodes.map((_, index) => `n${index}`),
    ...edges.map(({ from, to }, index) => `n${numbers.get(from)} -> n${numbers.get(to)} [number=${index}]`),
    ...alone.flatMap((node, index) =>
      index % abreast === 0 ? [] : `n${alone[index - 1]} -> n${node} [style=invis]`,
    ),
    '}',
  ].join('\n');
}

interface Laid {
  readonly bb: string;
  readonly objects?: readonly { name: string; pos: string }[];
  readonly edges?: readonly { number?: string; pos: string }[];
}

function place(text: string, nodeCount: number, edgeCount: number): Placed {
  const { bb, objects = [], edges = [] } = JSON.parse(text) as Laid;
  const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = bb.split(',').map(Number);
  const [left, top] = [Math.min(x0, x1), Math.min(y0, y1)];
  const point = (pair: string): Point => {
    const [x = 0, y = 0] = pair.split(',').map(Number);
    return { x: x - left, y: y - top };
  };
  const nodes = new Array<Point>(nodeCount).fill({ x: 0, y: 0 });
  for (const { name, pos } of objects) nodes[Number(name.slice(1))] = point(pos);
  const curves = new Array<Placed['edges'][number]>(edgeCount).fill({ curve: [], tip: { x: 0, y: 0 } });
  for (const { number, pos } of edges) {
    if (number === undefined) continue;
    // `e,x,y x,y x,y …`: the tip of the arrow, then the curve.
    const [tip = '', ...curve] = pos.split(' ');
    curves[Number(number)] = { tip: point(tip.replace('e,', '')), curve: curve.map(point) };
  }
  return { width: Math.abs(x1 - x0), height: Math.abs(y1 - y0), nodes, edges: curves };
}
