import type { Check } from '../verify/format.ts';
import type { Section } from './page.ts';
import { badge, shortened, table } from './parts.ts';

/** The checks of `verify`. */
export function verifySection(checks: readonly Check[]): Section {
  const body = table(
    [{ title: 'check', kind: 'state' }, { title: 'state', kind: 'state' }, { title: 'found' }],
    checks.map(({ name, state, found }) => [name, badge(state), shortened(found)]),
  );
  return { id: 'verify', title: 'Verify', body };
}
