/** The table in which Knex records completed migrations. */
export interface Ledger {
  schemaName: string;
  tableName: string;
  /** Whether the user configured it. If not, a migrations table in another schema is an error. */
  given: boolean;
}
