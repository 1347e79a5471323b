/** Every finished run has four interactions; the three that failed stop after two. */
export const interactions = /* sql */ `
create table public.interactions (
  interaction_id bigserial primary key,
  run_id integer not null references public.workflow_runs on delete cascade,
  conversation_id integer not null references public.conversations,
  actor_id integer not null references public.actors,
  status public.run_status not null default 'pending',
  input jsonb not null,
  output jsonb,
  latency_ms integer check (latency_ms >= 0),
  created_at timestamptz not null default now()
);
comment on column public.interactions.input is 'The prompt as sent, built beforehand: no placeholders';
create index interactions_run_idx on public.interactions (run_id, interaction_id);
create index interactions_input_idx on public.interactions using gin (input jsonb_path_ops);
insert into public.interactions
  (run_id, conversation_id, actor_id, status, input, output, latency_ms, created_at)
select
  run.run_id, conversation.conversation_id, conversation.actor_id,
  case when last_of_failed then 'failed' else 'completed' end::public.run_status,
  jsonb_build_object('posting_id', run.posting_id, 'task', conversation.purpose),
  case when not last_of_failed then jsonb_build_object('ok', true) end,
  400 + run.run_id * 31 + conversation.conversation_id * 170,
  run.started_at + conversation.conversation_id * interval '20 seconds'
from public.workflow_runs as run
join public.conversations as conversation on conversation.conversation_id in (1, 2, 3, 5)
cross join lateral (
  select run.status = 'failed' and conversation.conversation_id = 2
) as step (last_of_failed)
where run.status = 'completed' or run.status = 'failed' and conversation.conversation_id <= 2
order by run.run_id, conversation.conversation_id;

create table public.interaction_events (
  event_id bigserial primary key,
  interaction_id bigint not null references public.interactions,
  kind text not null check (kind in ('started', 'completed', 'failed')),
  data jsonb not null default '{}',
  happened_at timestamptz not null
);
create index interaction_events_interaction_idx on public.interaction_events (interaction_id, happened_at);
create trigger interaction_events_append_only before update or delete on public.interaction_events
  for each row execute function public.refuse_change();
insert into public.interaction_events (interaction_id, kind, data, happened_at)
select
  interaction.interaction_id, event.kind, jsonb_build_object('run_id', interaction.run_id),
  interaction.created_at + event.position * interaction.latency_ms * interval '1 millisecond'
from public.interactions as interaction
cross join lateral (values (0, 'started'), (1, interaction.status::text)) as event (position, kind)
order by interaction.interaction_id, event.position;

create table public.token_usage (
  interaction_id bigint primary key references public.interactions on delete cascade,
  model_id integer not null references public.models,
  input_tokens integer not null,
  output_tokens integer not null
);
insert into public.token_usage
select
  interaction.interaction_id, actor.model_id, 900 + interaction.run_id * 13, 120 + interaction.run_id * 7
from public.interactions as interaction
join public.actors as actor on actor.actor_id = interaction.actor_id and actor.kind = 'model'
where interaction.status = 'completed'
order by interaction.interaction_id;

create table public.checkpoints (
  run_id integer not null references public.workflow_runs on delete cascade,
  conversation_id integer not null references public.conversations,
  interaction_id bigint not null references public.interactions on delete cascade,
  state jsonb not null,
  primary key (run_id, conversation_id)
);
insert into public.checkpoints
select run_id, conversation_id, interaction_id, jsonb_build_object('ok', true)
from public.interactions
where status = 'completed' and conversation_id = 5
order by interaction_id;
`;
