import { oneLine } from '../text/one-line.ts';
import { moment } from '../text/units.ts';
import type { TableAudit } from './audit.ts';
import { describeRows } from './ghost-rules.ts';

/**
 * Returns why a table can be dropped, for a migration: the decision, or the rules that hold, and the comment of the
 * table. Undefined if the audit keeps the table.
 */
export function reasonToDrop({ verdict, why, rules, evidence }: TableAudit): string | undefined {
  if (verdict === 'keep') return undefined;
  const { decision, comment, usage } = evidence;
  if (decision?.decision === 'drop') return sentence(why);
  const others = rules.filter(({ rule, holds }) => holds === true && !stated.has(rule));
  const found = ['empty, and no object references it', ...others.map((rule) => rule.found)];
  if (usage !== null && usage.rowsWritten !== null)
    found.push(`${describeRows(usage.rowsWritten, false)} written since ${moment(usage.since)}`);
  return `${sentence(found.join('; '))}${comment === null ? '' : ` Comment: ${sentence(oneLine(comment))}`}`;
}

/** Rules whose findings are stated in other words. */
const stated: ReadonlySet<string> = new Set(['empty', 'unreferenced', 'not-written']);

function sentence(text: string): string {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}
