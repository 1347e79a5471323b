import { groupBy } from '../text/group-by.ts';

interface Counted {
  readonly schema: string;
  readonly name: string;
  readonly root?: { readonly schema: string; readonly name: string };
}

/**
 * Groups tables whose rows are counted together: partitions whose rows are dumped through the root of their tree, with the
 * root as the first of the group. Every other table is a group of its own.
 */
export function countGroups<Table extends Counted>(tables: readonly Table[]): Table[][] {
  const groups = groupBy(tables, ({ schema, name, root }) =>
    JSON.stringify([root?.schema ?? schema, root?.name ?? name]),
  );
  return [...groups.values()].map((group) =>
    [...group].sort((a, b) => Number(a.root !== undefined) - Number(b.root !== undefined)),
  );
}
