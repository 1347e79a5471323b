/** A table to be dropped, as found in the database. */
export interface Table {
  readonly oid: number;
  /** As the migration writes it. */
  readonly written: string;
  /** The qualified and quoted name. */
  readonly sql: string;
  readonly schema: string;
  readonly reason: string | undefined;
}
