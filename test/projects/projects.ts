/** An npm package that contains Knex migrations for PostgreSQL. */
export interface Project {
  readonly name: string;
  readonly version: string;
  /** Folders of migrations, each replayed with a migrations table of its own. Default: `migrations`. */
  readonly folders?: readonly string[];
  /** The tables that are refused, and why. */
  readonly refused?: Readonly<Record<string, string>>;
}

// Apache-2.0 or MIT.
export const projects: readonly Project[] = [
  { name: '@aws/genai-plugin-for-backstage-backend', version: '0.8.0' },
  {
    name: '@backstage/backend-defaults',
    version: '0.19.0',
    folders: ['migrations/auth', 'migrations/scheduler'],
  },
  { name: '@backstage/plugin-app-backend', version: '0.5.20' },
  { name: '@backstage/plugin-auth-backend', version: '0.31.0' },
  { name: '@backstage/plugin-catalog-backend', version: '4.0.5' },
  { name: '@backstage/plugin-catalog-backend-module-incremental-ingestion', version: '0.8.0' },
  { name: '@backstage/plugin-events-backend', version: '0.6.6' },
  { name: '@backstage/plugin-notifications-backend', version: '0.6.11' },
  { name: '@backstage/plugin-scaffolder-backend', version: '4.3.0' },
  { name: '@backstage/plugin-search-backend-module-pg', version: '0.5.61' },
  { name: '@backstage/plugin-user-settings-backend', version: '0.4.9' },
  {
    name: '@backstage-community/plugin-announcements-backend',
    version: '0.29.0',
    folders: ['db/migrations'],
  },
  { name: '@backstage-community/plugin-badges-backend', version: '0.27.0' },
  { name: '@backstage-community/plugin-bazaar-backend', version: '0.27.0' },
  { name: '@backstage-community/plugin-code-coverage-backend', version: '0.16.1' },
  { name: '@backstage-community/plugin-copilot-backend', version: '1.1.0' },
  { name: '@backstage-community/plugin-entity-feedback-backend', version: '0.25.0' },
  { name: '@backstage-community/plugin-feedback-backend', version: '2.2.3' },
  { name: '@backstage-community/plugin-linguist-backend', version: '0.31.0' },
  { name: '@backstage-community/plugin-playlist-backend', version: '0.25.0' },
  { name: '@backstage-community/plugin-rbac-backend', version: '8.1.3' },
  { name: '@backstage-community/plugin-tech-insights-backend', version: '3.1.0' },
  { name: '@drodil/backstage-plugin-qeta-backend', version: '4.0.5' },
  { name: '@pagerduty/backstage-plugin-backend', version: '0.14.0' },
  { name: '@parsifal-m/backstage-plugin-open-feedback-backend', version: '0.5.4' },
  { name: '@red-hat-developer-hub/backstage-plugin-adoption-insights-backend', version: '1.0.2' },
  { name: '@tduniec/backstage-plugin-time-saver-backend', version: '4.1.3' },
];

/** Packages that the migrations import. */
export const imported = ['lodash@4.17.21', 'luxon@3.7.2'];
