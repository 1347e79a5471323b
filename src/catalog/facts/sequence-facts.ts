import type { Session } from '../../session/session.ts';
import type { Closure } from '../closure.ts';
import { readSequenceStates } from '../sequence-states.ts';

/** The catalog under which the facts list sequence states. */
export const sequenceState = 'sequence state';

/** Reads the states of the sequences in a closure, as facts. Requires the privilege to read the sequences. */
export async function sequenceFacts(session: Session, closure: Closure) {
  const names = closure.members.filter(({ kind }) => kind === 'sequence').map(({ identity }) => identity);
  const states = await readSequenceStates(session, names);
  return states.map(({ value, called }, index) => ({
    catalog: sequenceState,
    identity: `sequence ${names[index]}`,
    columns: { last_value: value, is_called: String(called) },
  }));
}
