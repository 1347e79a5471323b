/** A table to be dropped, found. */
export interface Table {
  readonly oid: number;
  /** As the migration writes it. */
  readonly written: string;
  /** Qualified and quoted, as SQL takes it. */
  readonly sql: string;
  readonly schema: string;
  readonly reason: string | undefined;
}
