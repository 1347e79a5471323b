const models = /* sql */ `
create table public.model_providers (
  provider_id serial primary key,
  name text not null unique,
  is_local boolean not null
);
insert into public.model_providers (name, is_local) values ('ollama', true), ('openai', false);

create table public.models (
  model_id serial primary key,
  provider_id integer not null references public.model_providers,
  name text not null unique,
  context_tokens integer not null check (context_tokens > 0)
);
insert into public.models (provider_id, name, context_tokens) values
  (1, 'gemma3:1b', 32768), (1, 'qwen2.5:7b', 32768), (1, 'mistral:latest', 32768), (2, 'gpt-4o-mini', 128000);

create table public.model_prices (
  model_id integer not null references public.models on delete cascade,
  valid_from date not null,
  input_per_million numeric(8, 4) not null,
  output_per_million numeric(8, 4) not null,
  primary key (model_id, valid_from)
);
insert into public.model_prices values (1, '2025-09-01', 0, 0), (4, '2025-09-01', 0.15, 0.6);

create table public.actors (
  actor_id serial primary key,
  name text not null unique,
  kind text not null check (kind in ('model', 'script', 'human')),
  model_id integer references public.models,
  check ((kind = 'model') = (model_id is not null))
);
insert into public.actors (name, kind, model_id) values
  ('gemma3_extract', 'model', 1), ('qwen_grader', 'model', 2), ('mistral_improver', 'model', 3),
  ('db_job_fetcher', 'script', null), ('summary_saver', 'script', null), ('xai', 'human', null);

create table public.script_actors (
  actor_id integer primary key references public.actors on delete cascade,
  language text not null default 'python',
  script_content text not null,
  timeout_seconds integer not null default 60 check (timeout_seconds > 0),
  updated_at timestamptz not null default now()
);
create trigger script_actors_touch before update on public.script_actors
  for each row execute function public.touch_updated_at();
insert into public.script_actors (actor_id, script_content, timeout_seconds, updated_at) values
  (4, 'from core.jobs import fetch; fetch(source="deutsche_bank")', 300, '2025-11-13 09:00+00'),
  (5, 'from core.jobs import save_summary; save_summary(checkpoint())', 60, '2025-11-13 09:10+00');
`;

const dialogue = /* sql */ `
create table public.conversations (
  conversation_id serial primary key,
  name text not null unique,
  actor_id integer not null references public.actors,
  purpose text not null
);
insert into public.conversations (name, actor_id, purpose) values
  ('fetch_postings', 4, 'Read new postings from the source'),
  ('extract_summary', 1, 'Write a summary of one posting'),
  ('grade_summary', 2, 'Grade a summary: pass or fail'),
  ('improve_summary', 3, 'Write a better summary, given the grade'),
  ('save_summary', 5, 'Keep the summary'),
  ('quality_check', 6, 'Ask a person about a doubtful summary');

create table public.conversation_tags (
  conversation_id integer not null references public.conversations on delete cascade,
  tag text not null,
  primary key (conversation_id, tag)
);
insert into public.conversation_tags values
  (1, 'io'), (2, 'llm'), (3, 'llm'), (4, 'llm'), (5, 'io'), (6, 'human');

create table public.instructions (
  instruction_id serial primary key,
  conversation_id integer not null references public.conversations on delete cascade,
  step smallint not null default 1,
  prompt text not null,
  unique (conversation_id, step)
);
insert into public.instructions (conversation_id, step, prompt) values
  (2, 1, 'Summarise the posting. Keep role, duties and requirements apart.'),
  (3, 1, 'Compare summary and posting. Answer [PASS] or [FAIL], then the reason.'),
  (4, 1, 'Rewrite the summary so that the reason given no longer holds.');

create table public.instruction_versions (
  instruction_id integer not null references public.instructions on delete cascade,
  version smallint not null check (version > 0),
  prompt text not null,
  replaced_at timestamptz not null,
  primary key (instruction_id, version)
);
insert into public.instruction_versions values
  (1, 1, 'Summarise the posting.', '2025-10-20 14:00+00'),
  (2, 1, 'Is this a good summary of the posting.', '2025-10-21 10:30+00');

create table public.instruction_branches (
  branch_id serial primary key,
  instruction_id integer not null references public.instructions on delete cascade,
  condition text not null,
  next_conversation_id integer references public.conversations,
  priority smallint not null default 1
);
insert into public.instruction_branches (instruction_id, condition, next_conversation_id, priority) values
  (1, 'always', 3, 1), (2, '[PASS]', 5, 1),
  (2, '[FAIL]', 4, 2), (3, 'always', 3, 1), (3, 'third failure', 6, 9);
`;

export const actors = models + dialogue;
