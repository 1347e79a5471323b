import type { Session } from '../session/session.ts';

/** The row of a sequence itself: its state stands in no catalog. */
export interface SequenceState {
  readonly value: string;
  readonly called: boolean;
}

const atOnce = 200;

/** The states of sequences by their quoted names, in the order given. */
export async function readSequenceStates(
  session: Session,
  names: readonly string[],
): Promise<SequenceState[]> {
  const states: SequenceState[] = [];
  for (let start = 0; start < names.length; start += atOnce) {
    const selects = names.slice(start, start + atOnce).map(
      (name, place) => /* sql */ `
        select ${place} as place, s.last_value::text as value, s.is_called as called from ${name} as s`,
    );
    states.push(...(await session.read<SequenceState>(`${selects.join('\nunion all')}\norder by place`)));
  }
  return states;
}
