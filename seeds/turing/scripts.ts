export const scripts = /* sql */ `
create table public.stored_scripts (
  script_id serial primary key,
  name text not null unique,
  language text not null default 'python',
  script_content text not null,
  created_at timestamptz not null default now()
);
insert into public.stored_scripts (name, script_content, created_at) values
  ('schema_code_sync_analyzer', 'from core.schema import analyze; analyze()', '2025-11-20 09:00+00');

create table public.script_executions (
  execution_id bigserial primary key,
  actor_id integer not null references public.script_actors on delete cascade,
  run_id integer references public.workflow_runs on delete set null,
  exit_code integer,
  output text,
  started_at timestamptz not null default now()
);
comment on table public.script_executions is 'Execution log for script actors';
`;
