/** Where Knex records which migrations have run. */
export interface Ledger {
  schemaName: string;
  tableName: string;
  /** Whether the user named it. If not, a ledger elsewhere is taken for the one to keep. */
  given: boolean;
}
