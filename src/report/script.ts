/** Search and filters for the list of tables. Without it, the page shows all tables. */
export const script = /* js */ `
'use strict';
const filter = document.querySelector('form.filter');
if (filter) {
  const rows = [...document.querySelectorAll('#tables tr[data-verdict]')];
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const count = filter.querySelector('output');
  const apply = () => {
    const { text, verdict, rows: content } = Object.fromEntries(new FormData(filter));
    const words = text.toLowerCase().split(/\\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      row.hidden = !(
        (verdict === '' || row.dataset.verdict === verdict) &&
        (content === '' || row.dataset.rows === content) &&
        words.every((word) => texts.get(row).includes(word))
      );
      if (!row.hidden) shown += 1;
    }
    for (const group of document.querySelectorAll('#tables tbody'))
      group.hidden = !group.querySelector('tr[data-verdict]:not([hidden])');
    count.textContent = shown === rows.length ? rows.length + ' tables' : shown + ' of ' + rows.length + ' tables';
  };
  filter.addEventListener('input', apply);
  filter.addEventListener('submit', (event) => event.preventDefault());
  filter.addEventListener('reset', () => setTimeout(apply));
  filter.hidden = false;
  apply();
}
`;
