/** Types and functions of several tables. The functions have a fixed search path, whatever the session uses. */
export const types = /* sql */ `
create type public.run_status as enum ('pending', 'running', 'completed', 'failed', 'cancelled');
comment on type public.run_status is 'Life cycle of anything that is executed';

create domain public.percentage as numeric(5, 2)
  constraint percentage_range check (value between 0 and 100);
comment on domain public.percentage is 'Score or confidence from 0 to 100';

create function public.touch_updated_at() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  new.updated_at := now();
  return new;
end
$$;
comment on function public.touch_updated_at() is 'Keeps updated_at current';

create function public.refuse_change() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  raise exception '%.% is append-only', tg_table_schema, tg_table_name;
end
$$;
comment on function public.refuse_change() is 'Rows of an audit trail are never updated or deleted';
`;
