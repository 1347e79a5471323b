export const views = /* sql */ `
create view public.model_performance as
select
  model.name as model_name,
  count(*) as interactions,
  round(100.0 * count(*) filter (where interaction.status = 'completed') / count(*), 2) as success_rate,
  round(avg(interaction.latency_ms)) as average_latency_ms,
  coalesce(sum(usage.output_tokens), 0) as output_tokens
from public.interactions as interaction
join public.actors as actor on actor.actor_id = interaction.actor_id
join public.models as model on model.model_id = actor.model_id
left join public.token_usage as usage on usage.interaction_id = interaction.interaction_id
group by model.name;
comment on view public.model_performance is 'How each model does, over all interactions';

create view public.open_postings as
select posting.posting_id, posting.company_name, posting.job_title, location.city, posting.posted_on
from public.postings as posting
join public.posting_locations as place on place.posting_id = posting.posting_id
join public.locations as location on location.location_id = place.location_id
where posting.is_open;

create materialized view public.workflow_run_days as
select workflow_id, (started_at at time zone 'UTC')::date as day, status, count(*) as runs
from public.workflow_runs
group by workflow_id, day, status;
create unique index workflow_run_days_key on public.workflow_run_days (workflow_id, day, status);
`;
