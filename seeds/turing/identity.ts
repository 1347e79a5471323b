export const identity = /* sql */ `
create table public.users (
  user_id serial primary key,
  email text not null,
  display_name text not null,
  is_active boolean not null default true,
  created_at timestamptz not null default now()
);
create unique index users_email_key on public.users (lower(email));
insert into public.users (email, display_name, is_active, created_at) values
  ('xai@turing.example', 'xai', true, '2025-09-01 08:00+00'),
  ('arden@turing.example', 'Arden', true, '2025-09-01 08:05+00'),
  ('mira.vogt@turing.example', 'Mira Vogt', true, '2025-10-12 17:30+00'),
  ('old.account@turing.example', 'Old Account', false, '2025-09-03 10:00+00');

create table public.user_settings (
  user_id integer primary key references public.users on delete cascade,
  language text not null default 'en',
  time_zone text not null default 'Europe/Berlin',
  weekly_report boolean not null default false
);
insert into public.user_settings (user_id, language, weekly_report) values
  (1, 'en', true), (2, 'en', false), (3, 'de', true);

create table public.user_sessions (
  session_id uuid primary key,
  user_id integer not null references public.users on delete cascade,
  client inet not null,
  started_at timestamptz not null,
  ended_at timestamptz,
  check (ended_at >= started_at)
);
insert into public.user_sessions values
  ('0b0f9a5e-5d43-4f0e-9b57-2f6f3f2a7c01', 1, '192.168.178.21', '2025-11-23 07:58+00', '2025-11-23 12:10+00'),
  ('7a8b1c52-0f3c-4e5f-8d7a-91c0b1a6e802', 1, '192.168.178.21', '2025-11-24 08:02+00', null),
  ('c4d7e2f0-6b1a-4a8e-a2c9-5e3d8f7b9a03', 3, '10.8.0.14', '2025-11-22 19:40+00', '2025-11-22 20:05+00');

create table public.user_notifications (
  notification_id serial primary key,
  user_id integer not null references public.users on delete cascade,
  body text not null,
  sent_at timestamptz not null,
  read_at timestamptz
);
insert into public.user_notifications (user_id, body, sent_at, read_at) values
  (1, 'Workflow 3001: 12 of 16 runs completed', '2025-11-23 14:30+00', '2025-11-23 14:41+00'),
  (3, 'Two new postings match your search', '2025-11-24 06:00+00', null);

create table public.user_search_queries (
  query_id serial primary key,
  user_id integer not null references public.users on delete cascade,
  query text not null,
  filters jsonb not null default '{}',
  searched_at timestamptz not null
);
insert into public.user_search_queries (user_id, query, filters, searched_at) values
  (3, 'data engineer', '{"city": "Frankfurt am Main", "remote": true}', '2025-11-22 19:41+00'),
  (3, 'risk analyst', '{"city": "Berlin"}', '2025-11-22 19:44+00');

create table public.profiles (
  profile_id serial primary key,
  user_id integer references public.users on delete set null,
  full_name text not null,
  headline text,
  years_of_experience smallint check (years_of_experience >= 0),
  summary text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create trigger profiles_touch before update on public.profiles
  for each row execute function public.touch_updated_at();
insert into public.profiles
  (user_id, full_name, headline, years_of_experience, summary, created_at, updated_at) values
  (1, 'Jonas Lindner', 'Software licensing and compliance lead', 25,
   'Leads licence negotiations and builds the tools for them.', '2025-10-01 09:00+00', '2025-11-02 11:15+00'),
  (3, 'Mira Vogt', 'Data engineer', 6,
   'Pipelines, PostgreSQL and a liking for small systems.', '2025-10-12 17:45+00', '2025-10-12 17:45+00');

create table public.work_experiences (
  work_experience_id serial primary key,
  profile_id integer not null references public.profiles on delete cascade,
  company_name text not null,
  job_title text not null,
  started_on date not null,
  ended_on date,
  check (ended_on >= started_on)
);
create index work_experiences_profile_idx on public.work_experiences (profile_id, started_on desc);
insert into public.work_experiences (profile_id, company_name, job_title, started_on, ended_on) values
  (1, 'Deutsche Bank AG', 'Contract compliance manager', '2020-04-01', null),
  (1, 'Novartis AG', 'Software category manager', '2012-02-01', '2020-03-31'),
  (2, 'Stadtwerke Mainz AG', 'Data engineer', '2019-09-01', null);

create table public.educations (
  education_id serial primary key,
  profile_id integer not null references public.profiles on delete cascade,
  institution text not null,
  degree text not null,
  finished_in smallint
);
insert into public.educations (profile_id, institution, degree, finished_in) values
  (1, 'FU Berlin', 'MA Linguistics', 1998), (2, 'TU Darmstadt', 'MSc Computer Science', 2019);

create table public.certifications (
  certification_id serial primary key,
  profile_id integer not null references public.profiles on delete cascade,
  title text not null,
  issued_on date,
  unique (profile_id, title)
);
insert into public.certifications (profile_id, title, issued_on) values
  (1, 'ITIL 4 Foundation', '2021-06-18'), (2, 'PostgreSQL Associate', '2023-03-02');
`;
