/** The six tables that migration 044 drops. */
export const legacyTables = [
  'production_runs',
  'test_cases_history',
  'career_analyses',
  'dialogue_step_placeholders',
  'trigger_executions',
  'workflow_scripts',
];

/** The three tables that migration 045 drops if approved. */
export const optionalTables = ['interaction_lineage', 'workflow_dependencies', 'organizations'];

/** The empty tables that are kept. */
export const waitingTables = [
  'human_tasks',
  'posting_field_mappings',
  'workflow_metrics',
  'job_skills_staging',
  'posting_skills',
  'user_posting_decisions',
  'user_posting_preferences',
  'user_saved_postings',
  'profile_job_matches',
  'profile_skills_staging',
  'profile_skills',
  'skill_aliases_staging',
  'script_executions',
  'qa_findings',
];

export const populatedTables = [
  // identity
  'users',
  'user_settings',
  'user_sessions',
  'user_notifications',
  'user_search_queries',
  'profiles',
  'work_experiences',
  'educations',
  'certifications',
  // skills
  'skill_categories',
  'skill_sources',
  'skills',
  'skill_aliases',
  'skill_hierarchy',
  // postings
  'countries',
  'locations',
  'job_sources',
  'job_families',
  'employment_types',
  'fetch_runs',
  'postings',
  'posting_locations',
  'posting_texts',
  'posting_status_history',
  'salary_bands',
  // actors
  'model_providers',
  'models',
  'model_prices',
  'actors',
  'script_actors',
  'conversations',
  'conversation_tags',
  'instructions',
  'instruction_versions',
  'instruction_branches',
  // workflows
  'workflows',
  'workflow_versions',
  'workflow_conversations',
  'workflow_variables',
  'workflow_runs',
  'workflow_errors',
  'schedules',
  'schedule_runs',
  'work_queue',
  // interactions
  'interactions',
  'interaction_events',
  'token_usage',
  'checkpoints',
  // scripts and quality
  'stored_scripts',
  'qa_rules',
  'system_settings',
];

export const emptyTables = [...legacyTables, ...optionalTables, ...waitingTables];

export const tables = [...emptyTables, ...populatedTables];

/** All names that the seed uses in schema public, except those of indexes and sequences. */
export const names = [
  ...tables,
  'model_performance',
  'open_postings',
  'workflow_run_days',
  'run_status',
  'percentage',
  'touch_updated_at',
  'refuse_change',
];
