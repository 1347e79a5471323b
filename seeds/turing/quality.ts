export const quality = /* sql */ `
create table public.qa_rules (
  rule_id serial primary key,
  name text not null unique,
  severity text not null check (severity in ('info', 'warning', 'error')),
  check_sql text not null
);
insert into public.qa_rules (name, severity, check_sql) values
  ('posting without text', 'error',
   'select posting_id from postings except select posting_id from posting_texts'),
  ('run without interaction', 'warning',
   'select run_id from workflow_runs except select run_id from interactions');

create table public.qa_findings (
  finding_id serial primary key,
  rule_id integer not null references public.qa_rules,
  posting_id integer references public.postings on delete cascade,
  description text not null,
  found_at timestamptz not null default now(),
  resolved_at timestamptz
);
comment on table public.qa_findings is 'Stores data quality findings from automated and manual QA checks';

create table public.system_settings (
  name text primary key,
  value jsonb not null,
  updated_at timestamptz not null default now()
);
create trigger system_settings_touch before update on public.system_settings
  for each row execute function public.touch_updated_at();
insert into public.system_settings values
  ('wave_runner.version', '2', '2025-11-17 15:20+00'),
  ('wave_runner.batch_size', '25', '2025-11-17 15:20+00');
`;
