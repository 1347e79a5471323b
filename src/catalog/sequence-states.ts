import type { Session } from '../session/session.ts';

/** The state of a sequence, read from the sequence itself because no catalog contains it. */
export interface SequenceState {
  readonly value: string;
  readonly called: boolean;
}

const batchSize = 200;

/** Reads the states of sequences, in the order of the quoted names. */
export async function readSequenceStates(
  session: Session,
  names: readonly string[],
): Promise<SequenceState[]> {
  const states: SequenceState[] = [];
  for (let start = 0; start < names.length; start += batchSize) {
    const selects = names.slice(start, start + batchSize).map(
      (name, place) => /* sql */ `
        select ${place} as place, s.last_value::text as value, s.is_called as called from ${name} as s`,
    );
    states.push(...(await session.read<SequenceState>(`${selects.join('\nunion all')}\norder by place`)));
  }
  return states;
}
