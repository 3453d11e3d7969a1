/** Charts are made one at a time, so that the first is seen while the others are made. */

const waiting: (() => void)[] = [];
let running = false;

function next(): void {
  const make = waiting.shift();
  if (!make) {
    running = false;
    return;
  }
  make();
  setTimeout(next);
}

/** Runs `make` in its turn: at once when nothing was made a moment ago. The result takes it back. */
export function inTurn(make: () => void): () => void {
  if (!running) {
    running = true;
    make();
    setTimeout(next);
    return () => {};
  }
  waiting.push(make);
  return () => {
    const at = waiting.indexOf(make);
    if (at >= 0) waiting.splice(at, 1);
  };
}
