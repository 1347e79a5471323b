export const skills = /* sql */ `
create table public.skill_categories (
  category_id serial primary key,
  name text not null unique
);
insert into public.skill_categories (name) values
  ('Data'), ('Programming'), ('Finance'), ('Communication');

create table public.skill_sources (
  source_id serial primary key,
  name text not null unique,
  url text
);
insert into public.skill_sources (name, url) values
  ('ESCO', 'https://esco.ec.europa.eu'), ('O*NET', 'https://www.onetcenter.org'), ('turing', null);

create table public.skills (
  skill_id serial primary key,
  name text not null unique,
  category_id integer not null references public.skill_categories,
  source_id integer not null references public.skill_sources,
  external_id text
);
create index skills_category_idx on public.skills (category_id);
insert into public.skills (name, category_id, source_id, external_id) values
  ('SQL', 1, 1, 'S5.6.1'), ('PostgreSQL', 1, 3, null), ('Data modelling', 1, 1, 'S5.6.4'),
  ('Python', 2, 1, 'S5.1.2'), ('TypeScript', 2, 3, null), ('Risk management', 3, 2, '2.B.4.e'),
  ('Financial reporting', 3, 1, 'S2.7.3'), ('Negotiation', 4, 2, '2.B.1.d');

create table public.skill_aliases (
  alias text primary key,
  skill_id integer not null references public.skills on delete cascade,
  language text not null default 'en',
  confidence public.percentage not null default 100
);
insert into public.skill_aliases (alias, skill_id, language, confidence) values
  ('postgres', 2, 'en', 100), ('pg', 2, 'en', 80), ('datenmodellierung', 3, 'de', 100),
  ('ts', 5, 'en', 70), ('risikomanagement', 6, 'de', 100), ('verhandlungsführung', 8, 'de', 95);

create table public.skill_aliases_staging (
  staging_id serial primary key,
  raw_alias text not null,
  suggested_skill_id integer references public.skills on delete cascade,
  confidence public.percentage,
  staged_at timestamptz not null default now()
);
comment on table public.skill_aliases_staging is 'Staging for skill taxonomy aliases';

create table public.skill_hierarchy (
  parent_skill_id integer not null references public.skills on delete cascade,
  child_skill_id integer not null references public.skills on delete cascade,
  strength public.percentage not null default 100,
  primary key (parent_skill_id, child_skill_id),
  check (parent_skill_id <> child_skill_id)
);
insert into public.skill_hierarchy values (1, 2, 90), (3, 1, 60), (6, 7, 40);

create table public.profile_skills (
  profile_id integer not null references public.profiles on delete cascade,
  skill_id integer not null references public.skills,
  proficiency public.percentage,
  years smallint check (years >= 0),
  primary key (profile_id, skill_id)
);
comment on table public.profile_skills is 'Extracted skills from user profiles';

create table public.profile_skills_staging (
  staging_id serial primary key,
  profile_id integer not null references public.profiles on delete cascade,
  raw_skill text not null,
  extracted_at timestamptz not null default now(),
  promoted boolean not null default false
);
comment on table public.profile_skills_staging is 'Staging table for profile skill extraction';
`;
