import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

/*
 * Draws the picture of the README: the output of `demo` on stderr as SVG. `npm run picture` redraws it. A test compares it
 * with the output of the demo.
 */

const columns = 86;
const lineHeight = 21;
const gap = 7;
const cell = 8.43;
const margin = 22;
const bar = 38;

/** Returns the lines of the output without details and without parts that differ between runs. */
function linesOf(output: string): string[] {
  return output
    .trimEnd()
    .split('\n')
    .filter((line) => !/^( {4}| *Database: |$)/.test(line))
    .map((line) => line.replace(/ \(entry \d+, \w+\)$/, '').replace(/ on \d{4}-\d\d-\d\d .*$/, ''))
    .map(shorten);
}

function shorten(line: string): string {
  if (line.length <= columns) return line;
  return `${line.slice(0, line.lastIndexOf(' ', columns - 2))} …`;
}

/** Returns the CSS class of a line: a step, the log of a migration, or a check that passed. */
function styleOf(line: string): 'step' | 'said' | 'shown' {
  if (line.startsWith('  ✔')) return 'shown';
  return /^ {2}\d{3}_/.test(line) ? 'said' : 'step';
}

/** Draws the output of the demo as SVG. */
export function draw(output: string): string {
  const lines = linesOf(output);
  const width = Math.ceil(columns * cell + 3 * margin);
  let y = bar;
  const drawn = lines.map((line) => {
    const [, mark = '', rest = ''] = /^ *(✔?) ?(.*)$/.exec(line) ?? [];
    const style = styleOf(line);
    y += lineHeight + (style === 'step' && y > bar ? gap : 0);
    const x = style === 'step' ? margin : 2 * margin;
    const tick = mark === '' ? '' : '<tspan class="mark">✔</tspan> ';
    return `<text class="${style}" x="${x}" y="${y}">${tick}${encode(rest)}</text>`;
  });
  const height = y + margin;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>npm run demo: the turing database loses six tables, and nine, and gets them back as they were</title>
<style>
  text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2328; white-space: pre; }
  .screen { fill: #f6f8fa; stroke: #d1d9e0; }
  .dot { fill: #d1d9e0; }
  .step { font-weight: 600; }
  .said, .title { fill: #59636e; }
  .mark { fill: #1a7f37; font-weight: 600; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .screen { fill: #0d1117; stroke: #30363d; }
    .dot { fill: #30363d; }
    .said, .title { fill: #9198a1; }
    .mark { fill: #3fb950; }
  }
</style>
<rect class="screen" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>
<circle class="dot" cx="22" cy="19" r="5.5"/><circle class="dot" cx="40" cy="19" r="5.5"/><circle class="dot" cx="58" cy="19" r="5.5"/>
<text class="title" x="${width / 2}" y="24" text-anchor="middle">npm run demo</text>
${drawn.join('\n')}
</svg>
`;
}

function encode(line: string): string {
  return line.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(draw(await text(process.stdin)));
