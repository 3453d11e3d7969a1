/** Charts are made one at a time, so that the first is seen while the others are made. */

const waiting: (() => void)[] = [];
let running = false;

function next(): void {
  waiting.shift()?.();
  if (waiting.length > 0) setTimeout(next);
  else running = false;
}

/** Runs `make` in its turn; the result takes it back. */
export function inTurn(make: () => void): () => void {
  waiting.push(make);
  if (!running) {
    running = true;
    setTimeout(next);
  }
  return () => {
    const at = waiting.indexOf(make);
    if (at >= 0) waiting.splice(at, 1);
  };
}
