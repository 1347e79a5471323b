import type { Session } from '../session/session.ts';

const triggersSql = /* sql */ `
  select pg_catalog.format('%I (%s, %I.%I)', e.evtname, e.evtevent, n.nspname, p.proname) as name
  from pg_catalog.pg_event_trigger as e
  join pg_catalog.pg_proc as p on p.oid = e.evtfoid
  join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
  where e.evtenabled in ('O', 'A') and e.evtevent <> 'login'
  order by e.evtname`;

/** Returns the event triggers that DDL fires, each with its event and function, as a line of text; empty if there are none. */
export async function describeEventTriggers(session: Session): Promise<string> {
  const triggers = await session.read<{ name: string }>(triggersSql);
  if (triggers.length === 0) return '';
  return `Enabled event triggers: ${triggers.map(({ name }) => name).join(', ')}`;
}
