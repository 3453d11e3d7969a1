import type { ComponentChildren } from "preact";
import { Badge } from "./Badge";
import { Button } from "./Button";

interface Props<T> {
  what: string;
  answer: { value: T | null; error: string | null; reload: () => void };
  children: (value: T) => ComponentChildren;
}

/** The states of something that is got from the server: loading, there, old because it could not be got again, failed. */
export function Loaded<T>({ what, answer, children }: Props<T>) {
  if (answer.value === null) {
    return answer.error === null ? (
      <div class="skeleton" role="status" aria-label={`${what}: loading`} />
    ) : (
      <div class="message bad" role="alert">
        <p>
          {what}: {answer.error}
        </p>
        <Button onClick={answer.reload}>Try again</Button>
      </div>
    );
  }
  return (
    <>
      {answer.error !== null && (
        <p>
          <Badge kind="stale">not updated: {answer.error}</Badge>
        </p>
      )}
      {children(answer.value)}
    </>
  );
}
