/**
 * Returns SQL for a database with this number of tables, in groups of 25 that reference a common hub. Every third table
 * is empty and not referenced; the others have one row.
 */
export function clusters(tables: number): string {
  const parts: string[] = [];
  for (let hub = 0; hub < tables / 25; hub++) {
    parts.push(`create table hub_${hub} (id int primary key); insert into hub_${hub} values (1)`);
    for (let part = 1; part < 25; part++) {
      const name = `part_${hub}_${part}`;
      parts.push(`create table ${name} (hub_id int references hub_${hub}, note text)`);
      if (part % 3 > 0) parts.push(`insert into ${name} values (1, 'x')`);
    }
  }
  return parts.join(';\n');
}
