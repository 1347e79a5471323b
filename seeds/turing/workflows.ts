const definitions = /* sql */ `
create table public.workflows (
  workflow_id integer primary key,
  name text not null unique,
  is_enabled boolean not null default true,
  created_at timestamptz not null default now()
);
insert into public.workflows values
  (3001, 'Complete job processing pipeline', true, '2025-11-09 10:00+00'),
  (3002, 'Profile skill extraction', false, '2025-11-11 10:00+00'),
  (3003, 'Summary quality check', true, '2025-11-18 10:00+00');

create table public.workflow_versions (
  workflow_id integer not null references public.workflows on delete cascade,
  version smallint not null,
  definition_file text not null,
  released_at timestamptz not null,
  primary key (workflow_id, version)
);
insert into public.workflow_versions values
  (3001, 1, 'workflows/3001_v1.yaml', '2025-11-09 10:00+00'),
  (3001, 2, 'workflows/3001_v2.yaml', '2025-11-17 15:20+00'),
  (3003, 1, 'workflows/3003_v1.yaml', '2025-11-18 10:00+00');

create table public.workflow_conversations (
  workflow_id integer not null references public.workflows on delete cascade,
  position smallint not null,
  conversation_id integer not null references public.conversations,
  primary key (workflow_id, position)
);
insert into public.workflow_conversations values
  (3001, 1, 1), (3001, 2, 2), (3001, 3, 3), (3001, 4, 4), (3001, 5, 5), (3003, 1, 3), (3003, 2, 6);

create table public.workflow_variables (
  workflow_id integer not null references public.workflows on delete cascade,
  name text not null,
  value jsonb not null,
  primary key (workflow_id, name)
);
insert into public.workflow_variables values
  (3001, 'batch_size', '25'), (3001, 'source', '"deutsche_bank"'), (3003, 'attempts', '3');
`;

const runs = /* sql */ `
create table public.workflow_runs (
  run_id serial primary key,
  workflow_id integer not null references public.workflows,
  posting_id integer references public.postings,
  environment text not null default 'production' check (environment in ('production', 'test')),
  status public.run_status not null default 'pending',
  started_at timestamptz,
  finished_at timestamptz,
  check (finished_at >= started_at)
);
create index workflow_runs_workflow_idx on public.workflow_runs (workflow_id, started_at desc);
insert into public.workflow_runs (workflow_id, posting_id, status, started_at, finished_at)
select
  3001, (n - 1) % 8 + 1,
  case when n in (3, 7, 12) then 'failed' when n = 16 then 'running' else 'completed' end::public.run_status,
  begun, case when n < 16 then begun + interval '2 minutes' end
from generate_series(1, 16) as n
cross join lateral (
  select timestamptz '2025-11-23 05:00+00' + (n - 1) * interval '37 minutes'
) as start (begun)
order by n;

create table public.workflow_errors (
  error_id serial primary key,
  run_id integer not null references public.workflow_runs on delete cascade,
  conversation_id integer references public.conversations,
  message text not null,
  detail jsonb not null default '{}',
  occurred_at timestamptz not null
);
comment on table public.workflow_errors is 'Error tracking for workflows';
insert into public.workflow_errors (run_id, conversation_id, message, detail, occurred_at) values
  (3, 2, 'Model did not answer in time', '{"timeout_seconds": 120}', '2025-11-23 06:15+00'),
  (7, 2, 'Model gave an empty answer', '{"answer": ""}', '2025-11-23 08:43+00'),
  (12, 2, 'Model did not answer in time', '{"timeout_seconds": 120}', '2025-11-23 11:48+00');

create table public.schedules (
  schedule_id serial primary key,
  workflow_id integer not null references public.workflows on delete cascade,
  cron text not null,
  is_enabled boolean not null default true
);
insert into public.schedules (workflow_id, cron, is_enabled) values
  (3001, '0 5 * * *', true), (3003, '0 7 * * 1', false);

create table public.schedule_runs (
  schedule_id integer not null references public.schedules on delete cascade,
  due_at timestamptz not null,
  run_id integer references public.workflow_runs,
  primary key (schedule_id, due_at)
);
insert into public.schedule_runs values
  (1, '2025-11-22 05:00+00', null), (1, '2025-11-23 05:00+00', 1), (1, '2025-11-24 05:00+00', null);

create table public.work_queue (
  item_id bigserial primary key,
  workflow_id integer not null references public.workflows,
  posting_id integer not null references public.postings on delete cascade,
  status public.run_status not null default 'pending',
  priority smallint not null default 5,
  queued_at timestamptz not null default now()
);
create index work_queue_pending_idx on public.work_queue (priority, queued_at) where status = 'pending';
insert into public.work_queue (workflow_id, posting_id, status, queued_at) values
  (3001, 8, 'running', '2025-11-23 14:10+00'), (3001, 1, 'pending', '2025-11-24 05:00+00'),
  (3001, 2, 'pending', '2025-11-24 05:00+00');
`;

const waiting = /* sql */ `
create table public.human_tasks (
  task_id serial primary key,
  run_id integer not null references public.workflow_runs on delete cascade,
  assigned_to integer references public.users on delete set null,
  question text not null,
  answer text,
  created_at timestamptz not null default now(),
  answered_at timestamptz
);
comment on table public.human_tasks is 'Human-in-loop task queue';

create table public.workflow_metrics (
  metric_id bigserial primary key,
  run_id integer not null references public.workflow_runs on delete cascade,
  name text not null,
  value double precision not null,
  measured_at timestamptz not null default now()
);
comment on table public.workflow_metrics is 'Performance metrics for workflow executions';
`;

export const workflows = definitions + runs + waiting;
