/** Grants to turing_reader. They are left out if the role does not exist and cannot be created. */
export const grants = /* sql */ `
do $$
begin
  begin
    create role turing_reader nologin;
  exception
    when insufficient_privilege or duplicate_object or unique_violation then null;
  end;

  if exists (select from pg_catalog.pg_roles where rolname = 'turing_reader') then
    grant select on public.postings, public.workflow_runs, public.workflow_errors, public.interactions,
      public.model_performance, public.open_postings to turing_reader;
    grant select, references on public.production_runs to turing_reader;
    grant update (status, finished_at) on public.production_runs to turing_reader;
    grant usage on sequence public.production_runs_production_run_id_seq to turing_reader;
    grant select on public.test_cases_history to turing_reader with grant option;
    grant select (analysis_id, profile_id, confidence) on public.career_analyses to turing_reader;
    grant insert on public.trigger_executions to turing_reader;
    grant select on public.interaction_lineage, public.organizations to turing_reader;
  end if;
end
$$;
`;
