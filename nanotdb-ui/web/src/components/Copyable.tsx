import { useSignal } from "@preact/signals";
import { useRef } from "preact/hooks";
import { Button } from "./Button";

/** Copies where the clipboard is not to be had, which is so on plain http: as the user would, by selecting. */
function copySelected(element: HTMLElement): boolean {
  const selection = getSelection();
  selection?.selectAllChildren(element);
  const done = document.execCommand("copy");
  if (done) selection?.removeAllRanges(); // else it stays, for Ctrl C
  return done;
}

/** A command to copy. */
export function Copyable({ text, label }: { text: string; label: string }) {
  const copied = useSignal(false);
  const shown = useRef<HTMLPreElement>(null);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      if (!shown.current || !copySelected(shown.current)) return;
    }
    copied.value = true;
    setTimeout(() => (copied.value = false), 2000);
  };
  return (
    <div class="copyable">
      <pre ref={shown} tabIndex={0} role="region" aria-label={label}>
        {text}
      </pre>
      <Button icon={copied.value ? "ok" : "copy"} label={`Copy ${label}`} onClick={copy}>
        <span aria-live="polite">{copied.value ? "Copied" : "Copy"}</span>
      </Button>
    </div>
  );
}
