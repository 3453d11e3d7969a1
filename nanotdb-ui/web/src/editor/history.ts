/** Undo and redo: the document and what it was. */
export interface History<T> {
  past: T[];
  present: T;
  future: T[];
  /** Changes with the same key that follow each other are one step: typing in a field. */
  key: string | null;
}

const MOST = 200;

export function begin<T>(present: T): History<T> {
  return { past: [], present, future: [], key: null };
}

export function change<T>(history: History<T>, next: T, key: string | null = null): History<T> {
  if (next === history.present) return history;
  const joined = key !== null && key === history.key && history.past.length > 0;
  const past = joined ? history.past : [...history.past, history.present].slice(-MOST);
  return { past, present: next, future: [], key };
}

export function undo<T>({ past, present, future, ...rest }: History<T>): History<T> {
  if (past.length === 0) return { past, present, future, ...rest };
  return { past: past.slice(0, -1), present: past[past.length - 1], future: [present, ...future], key: null };
}

export function redo<T>({ past, present, future, ...rest }: History<T>): History<T> {
  if (future.length === 0) return { past, present, future, ...rest };
  return { past: [...past, present], present: future[0], future: future.slice(1), key: null };
}
