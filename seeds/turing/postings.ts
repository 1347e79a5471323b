const reference = /* sql */ `
create table public.countries (
  country_code char(2) primary key,
  name text not null unique
);
insert into public.countries values
  ('DE', 'Germany'), ('GB', 'United Kingdom'), ('IN', 'India'), ('US', 'United States');

create table public.locations (
  location_id serial primary key,
  city text not null,
  country_code char(2) not null references public.countries,
  latitude numeric(8, 5),
  longitude numeric(8, 5),
  unique (country_code, city)
);
insert into public.locations (city, country_code, latitude, longitude) values
  ('Frankfurt am Main', 'DE', 50.11092, 8.68213), ('Berlin', 'DE', 52.52001, 13.40495),
  ('London', 'GB', 51.50735, -0.12776), ('Pune', 'IN', 18.52043, 73.85674),
  ('New York', 'US', 40.71278, -74.00594);

create table public.job_sources (
  source_id serial primary key,
  name text not null unique,
  base_url text not null,
  is_enabled boolean not null default false
);
insert into public.job_sources (name, base_url, is_enabled) values
  ('deutsche_bank', 'https://api-deutschebank.example', true),
  ('linkedin', 'https://linkedin.example', false),
  ('indeed', 'https://indeed.example', false);

create table public.job_families (
  family_id serial primary key,
  name text not null unique
);
insert into public.job_families (name) values ('Technology'), ('Risk'), ('Finance'), ('Operations');

create table public.employment_types (
  code text primary key,
  label text not null
);
insert into public.employment_types values
  ('full', 'Full time'), ('part', 'Part time'), ('intern', 'Internship');

create table public.salary_bands (
  band_id serial primary key,
  family_id integer not null references public.job_families,
  country_code char(2) not null references public.countries,
  yearly int4range not null,
  currency char(3) not null,
  unique (family_id, country_code)
);
insert into public.salary_bands (family_id, country_code, yearly, currency) values
  (1, 'DE', '[62000,98000)', 'EUR'), (2, 'DE', '[58000,91000)', 'EUR'), (1, 'GB', '[55000,88000)', 'GBP');

create table public.fetch_runs (
  fetch_run_id serial primary key,
  source_id integer not null references public.job_sources,
  status public.run_status not null,
  fetched integer not null default 0,
  started_at timestamptz not null,
  finished_at timestamptz
);
insert into public.fetch_runs (source_id, status, fetched, started_at, finished_at) values
  (1, 'completed', 4, '2025-11-17 05:00+00', '2025-11-17 05:00:41+00'),
  (1, 'failed', 0, '2025-11-18 05:00+00', '2025-11-18 05:00:03+00'),
  (1, 'completed', 4, '2025-11-19 05:00+00', '2025-11-19 05:00:38+00');
`;

const jobs = /* sql */ `
create table public.postings (
  posting_id serial primary key,
  external_id text not null,
  source_id integer not null references public.job_sources,
  fetch_run_id integer references public.fetch_runs,
  company_name text not null,
  job_title text not null,
  family_id integer references public.job_families,
  employment_type text not null default 'full' references public.employment_types,
  raw jsonb not null default '{}',
  is_open boolean not null default true,
  posted_on date not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (source_id, external_id)
);
comment on column public.postings.company_name is 'Denormalized: OrganizationName of the source';
create index postings_open_idx on public.postings (posted_on desc) where is_open;
create index postings_raw_idx on public.postings using gin (raw);
create trigger postings_touch before update on public.postings
  for each row execute function public.touch_updated_at();
insert into public.postings
  (external_id, source_id, fetch_run_id, company_name, job_title, family_id, employment_type, raw, is_open,
   posted_on, created_at, updated_at)
select
  'R' || 402110 + job.n, 1, case when job.n <= 4 then 1 else 3 end, job.company_name, job.job_title,
  job.family_id, job.employment_type,
  jsonb_build_object('OrganizationName', job.company_name, 'Sequence', job.n),
  job.n <> 3, date '2025-11-10' + job.n, timestamptz '2025-11-17 05:00+00' + job.n * interval '1 second',
  timestamptz '2025-11-19 05:00+00' + job.n * interval '1 second'
from (values
  (1, 'Deutsche Bank AG', 'Senior Data Engineer', 1, 'full'),
  (2, 'Deutsche Bank AG', 'Market Risk Analyst', 2, 'full'),
  (3, 'DWS Group GmbH & Co. KGaA', 'Fund Reporting Specialist', 3, 'part'),
  (4, 'Deutsche Bank AG', 'Platform Engineer, PostgreSQL', 1, 'full'),
  (5, 'DB Investment Services GmbH', 'Settlement Operations Associate', 4, 'full'),
  (6, 'Deutsche Bank AG', 'Internship Group Strategy', 3, 'intern'),
  (7, 'norisbank GmbH', 'Credit Risk Modeller', 2, 'full'),
  (8, 'Deutsche Bank AG', 'TypeScript Developer', 1, 'part')
) as job (n, company_name, job_title, family_id, employment_type)
order by job.n;

create table public.posting_locations (
  posting_id integer not null references public.postings on delete cascade,
  location_id integer not null references public.locations,
  primary key (posting_id, location_id)
);
insert into public.posting_locations values
  (1, 1), (1, 2), (2, 1), (3, 1), (4, 4), (5, 1), (6, 1), (7, 2), (8, 2), (8, 3);

create table public.posting_texts (
  posting_id integer not null references public.postings on delete cascade,
  language text not null,
  body text not null,
  primary key (posting_id, language)
);
insert into public.posting_texts
select posting_id, 'en', 'We are looking for a ' || job_title || ' at ' || company_name || '.'
from public.postings order by posting_id;

create table public.posting_status_history (
  history_id serial primary key,
  posting_id integer not null references public.postings on delete cascade,
  status text not null check (status in ('opened', 'changed', 'closed')),
  noticed_at timestamptz not null
);
insert into public.posting_status_history (posting_id, status, noticed_at) values
  (1, 'opened', '2025-11-17 05:00+00'), (2, 'opened', '2025-11-17 05:00+00'),
  (3, 'opened', '2025-11-17 05:00+00'), (3, 'closed', '2025-11-19 05:00+00');
`;

const waiting = /* sql */ `
create table public.posting_field_mappings (
  mapping_id serial primary key,
  source_id integer not null references public.job_sources,
  source_field text not null,
  target_column text not null,
  confidence public.percentage,
  unique (source_id, source_field)
);
comment on table public.posting_field_mappings is 'LLM-generated field mappings for multi-source jobs';

create table public.job_skills_staging (
  staging_id serial primary key,
  posting_id integer not null references public.postings on delete cascade,
  raw_skill text not null,
  extracted_at timestamptz not null default now()
);
comment on table public.job_skills_staging is 'Staging table for bulk skill extraction';

create table public.posting_skills (
  posting_id integer not null references public.postings on delete cascade,
  skill_id integer not null references public.skills,
  importance public.percentage,
  primary key (posting_id, skill_id)
);
comment on table public.posting_skills is 'Extracted skills from job postings';

create table public.user_posting_decisions (
  user_id integer not null references public.users on delete cascade,
  posting_id integer not null references public.postings on delete cascade,
  decision text not null check (decision in ('applied', 'rejected')),
  decided_at timestamptz not null default now(),
  primary key (user_id, posting_id)
);

create table public.user_posting_preferences (
  user_id integer primary key references public.users on delete cascade,
  family_id integer references public.job_families,
  location_id integer references public.locations,
  minimum_score public.percentage not null default 70
);

create table public.user_saved_postings (
  user_id integer not null references public.users on delete cascade,
  posting_id integer not null references public.postings on delete cascade,
  saved_at timestamptz not null default now(),
  primary key (user_id, posting_id)
);

create table public.profile_job_matches (
  profile_id integer not null references public.profiles on delete cascade,
  posting_id integer not null references public.postings on delete cascade,
  score public.percentage not null,
  matched_at timestamptz not null default now(),
  primary key (profile_id, posting_id)
);
create index profile_job_matches_score_idx on public.profile_job_matches (profile_id, score desc);
comment on table public.profile_job_matches is 'Matching scores between profiles and jobs';
`;

export const postings = reference + jobs + waiting;
