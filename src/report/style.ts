/** Light, dark and print differ only in colors. */
export const style = /* css */ `
:root {
  color-scheme: light dark;
  --page: #ffffff; --surface: #f6f6f4; --line: #dfdfdb; --text: #1b1c1e; --quiet: #5c6166; --link: #1a56b0;
  --red: #a5231b; --red-soft: #fbeae8; --amber: #7d4f00; --amber-soft: #fbf0d9;
  --green: #1a6336; --green-soft: #e5f3e9; --blue: #1a56b0; --blue-soft: #e8effa;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #151618; --surface: #1e2022; --line: #36393d; --text: #e9e9e6; --quiet: #a3a8ad; --link: #8db5f5;
    --red: #ff9b91; --red-soft: #3a2020; --amber: #efbd69; --amber-soft: #352a14;
    --green: #86d3a1; --green-soft: #1a3023; --blue: #8db5f5; --blue-soft: #1c2a40;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body {
  margin: 0 auto; padding: 2.5rem clamp(1rem, 4vw, 3rem) 5rem; max-width: 74rem;
  background: var(--page); color: var(--text);
  font: 1rem/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif;
  overflow-wrap: anywhere;
}
code, pre, svg .name { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace; }
code { font-size: .875em; unicode-bidi: isolate; }
h1, h2, h3 { line-height: 1.25; text-wrap: balance; }
h1 { margin: 0 0 .4rem; font-size: 2.25rem; letter-spacing: -.02em; }
h2 { margin: 3.5rem 0 1rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: 1.4rem; letter-spacing: -.01em; }
h3 { margin: 2rem 0 .75rem; font-size: 1.05rem; }
h3 span, figcaption span { color: var(--quiet); font-weight: 400; }
p { margin: .5rem 0; max-width: 68ch; }
a { color: var(--link); }
ul { margin: .5rem 0; padding-left: 1.2rem; }
.kind { margin: 0; color: var(--quiet); font-size: .875rem; letter-spacing: .02em; }
.facts { max-width: none; color: var(--quiet); font-size: .9rem; }
.facts span + span::before { content: '·'; margin: 0 .4em 0 .1em; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin-top: 1.25rem; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }

.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem; margin: 1.5rem 0; }
.tiles div { padding: .8rem 1rem; background: var(--surface); border-radius: .5rem; }
.tiles dt { color: var(--quiet); font-size: .85rem; }
.tiles dd { margin: 0; font-size: 1.75rem; font-weight: 600; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tiles small { color: var(--quiet); font-size: .95rem; font-weight: 400; }
.pending { padding: 0; list-style: none; }
.pending li { margin: .4rem 0; }
.badge {
  display: inline-block; padding: .05em .6em; border-radius: 1em; background: var(--surface); color: var(--quiet);
  font-size: .8rem; font-weight: 600; line-height: 1.5; white-space: nowrap;
}
.badge.goes { background: var(--blue-soft); color: var(--blue); }
.badge.ok, .badge.approved, .badge.done { background: var(--green-soft); color: var(--green); }
.badge.waits, .badge.ask, .badge.held { background: var(--amber-soft); color: var(--amber); }
.badge.refused, .badge.failed, .badge.candidate { background: var(--red-soft); color: var(--red); }
.refusal { margin: .75rem 0; padding: .6rem 1rem; border-left: 3px solid var(--red); background: var(--red-soft); border-radius: 0 .4rem .4rem 0; }
.refusal p { margin: .2rem 0; }
.warning { padding: .6rem 1rem; border-left: 3px solid var(--amber); background: var(--amber-soft); border-radius: 0 .4rem .4rem 0; }

.scroll { overflow-x: auto; }
.scroll + p { margin-top: 1.25rem; }
.scroll + .scroll { margin-top: 1.5rem; }
table { width: 100%; border-collapse: collapse; font-size: .92rem; }
th, td { padding: .5rem .9rem .5rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { color: var(--quiet); font-size: .82rem; font-weight: 500; }
tr > :last-child { padding-right: 0; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.state { white-space: nowrap; }
table.figures, table.stack { overflow-wrap: break-word; }
td.name code { white-space: nowrap; }
.tables tbody th { font-weight: 400; }
.tables tr > :first-child { width: 34%; }
.tables tr > :last-child { width: 44%; }
.tables th p { margin: .15rem 0 0; color: var(--quiet); font-size: .85rem; }
.tables .group th { padding-top: 1.75rem; }
.tables .group span:last-child { color: var(--quiet); }
article > details { margin: .6rem 0; }
article > details ul, #code ul { columns: 24rem; column-gap: 2rem; font-size: .88rem; }
figure > details { margin-top: .75rem; font-size: .92rem; }
summary { cursor: pointer; }
details[open] > summary { margin-bottom: .35rem; }
.rules { padding: 0; list-style: none; }
.rules span { display: inline-block; width: 1.1em; font-weight: 700; text-align: center; text-indent: 0; }
.rules li { padding-left: 1.35em; text-indent: -1.35em; }
.rules b { font-weight: 600; }
.holds span { color: var(--red); }
.fails span { color: var(--green); }
.open span { color: var(--quiet); }
dl { margin: .5rem 0; }
.tables dl { display: grid; grid-template-columns: auto 1fr; gap: .1rem .9rem; font-size: .85rem; }
.tables dt { color: var(--quiet); }
.tables dd { margin: 0; }
pre { margin: .6rem 0; padding: .8rem 1rem; overflow-x: auto; background: var(--surface); border-radius: .5rem; font-size: .82rem; line-height: 1.5; }
.copy { white-space: pre-wrap; user-select: all; }

form.filter { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; }
form.filter[hidden] { display: none; }
input, select, button { padding: .45rem .7rem; border: 1px solid var(--line); border-radius: .4rem; background: var(--page); color: inherit; font: inherit; font-size: .92rem; }
input { flex: 1 1 16rem; min-width: 0; }
output { color: var(--quiet); font-size: .9rem; font-variant-numeric: tabular-nums; }

figure { margin: 1.75rem 0; }
figcaption { margin-bottom: .6rem; font-weight: 600; }
svg { display: block; }
svg .name { font-size: 12.5px; fill: var(--text); }
svg .note { font-size: 11px; fill: var(--quiet); }
.node rect { fill: var(--page); stroke: var(--line); }
.node.goes rect { fill: var(--red-soft); stroke: var(--red); }
.node.waits rect { fill: var(--amber-soft); stroke: var(--amber); }
.node.candidate rect { fill: var(--page); stroke: var(--red); }
.node.ask rect { fill: var(--page); stroke: var(--amber); }
.node.along rect { fill: var(--red-soft); stroke: var(--red); stroke-dasharray: 4 3; }
.node.stays rect { fill: var(--surface); }
.node.more rect { fill: none; stroke-dasharray: 2 3; }
.edge .line { fill: none; stroke: var(--quiet); }
.edge .tip { fill: var(--quiet); }
.edge.lost .line { stroke: var(--red); stroke-dasharray: 5 3; }
.edge.lost .tip { fill: var(--red); }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; padding: 0; list-style: none; color: var(--quiet); font-size: .88rem; }
.legend li::before { content: ''; display: inline-block; width: 1.2em; height: .8em; margin-right: .5em; border: 1.5px solid var(--line); border-radius: 3px; }
.legend .goes::before { background: var(--red-soft); border-color: var(--red); }
.legend .waits::before { background: var(--amber-soft); border-color: var(--amber); }
.legend .candidate::before { border-color: var(--red); }
.legend .ask::before { border-color: var(--amber); }
.legend .along::before { background: var(--red-soft); border: 1.5px dashed var(--red); }
.legend .stays::before { background: var(--surface); }

@media (max-width: 42rem) {
  h1 { font-size: 1.75rem; }
  .tables thead, .stack thead { display: none; }
  .stack tbody { display: block; }
  .stack tr { display: flex; flex-wrap: wrap; gap: .15rem .9rem; padding: .55rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
  .stack td { padding: 0; border: 0; }
  .stack td[class=''] { flex-basis: 100%; }
  .figures { font-size: .85rem; }
  .figures td:first-child { min-width: 6rem; overflow-wrap: anywhere; }
  .figures th, .figures td { padding-right: .6rem; }
  .stack { display: block; }
  .tables, .tables tbody { display: block; }
  .tables tr { display: grid; grid-template-columns: 1fr auto auto; gap: 0 .9rem; padding: .6rem 0; border-bottom: 1px solid var(--line); }
  .tables tr[hidden], .tables tbody[hidden] { display: none; }
  .tables th, .tables td, .tables .group th { padding: 0; border: 0; }
  .tables tr > :first-child, .tables tr > :last-child { width: auto; }
  .tables tr > :last-child { grid-column: 1 / -1; }
}
@media print {
  :root { font-size: 9pt; }
  body { max-width: none; padding: 0; }
  summary { list-style: none; }
  nav, form.filter { display: none; }
  :not(tr[data-verdict='keep'] *) > details::details-content { content-visibility: visible; display: block; }
  tr, figure, .refusal { break-inside: avoid; }
  h2, h3, figcaption { break-after: avoid; }
  .scroll, pre { overflow: visible; }
  pre { white-space: pre-wrap; }
  svg { max-width: 100%; height: auto; }
  * { print-color-adjust: exact; }
}
`;
