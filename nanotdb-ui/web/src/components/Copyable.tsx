import { useSignal } from "@preact/signals";
import { Button } from "./Button";

/** A command to copy. */
export function Copyable({ text, label }: { text: string; label: string }) {
  const copied = useSignal(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      copied.value = true;
      setTimeout(() => (copied.value = false), 2000);
    } catch {
      copied.value = false; // no permission, or plain http: the text can be selected
    }
  };
  return (
    <div class="copyable">
      <pre tabIndex={0} role="region" aria-label={label}>
        {text}
      </pre>
      <Button icon={copied.value ? "ok" : "copy"} label={`Copy ${label}`} onClick={copy}>
        <span aria-live="polite">{copied.value ? "Copied" : "Copy"}</span>
      </Button>
    </div>
  );
}
