/** One endpoint: its parameters, the curl command, the answer. */
import { useSignal } from "@preact/signals";
import { apiUrl } from "../api/client";
import type { Endpoint, EndpointParam } from "../api/types";
import { Badge } from "../components/Badge";
import { Button } from "../components/Button";
import { Copyable } from "../components/Copyable";
import { Dialog } from "../components/Dialog";
import { allMetrics, catalog } from "../state/catalog";
import { unitStyle } from "../state/prefs";
import { settings } from "../state/server-settings";
import { formatBytes } from "../scale/number";
import { buildRequest, curlOf, missing } from "./command";

interface Outcome {
  status: number;
  ms: number;
  bytes: number;
  text: string;
  headers: string;
}

const MOST = 200_000;
const STREAM_MS = 3000;

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** The answer, but no more than a page can show; a stream, which would never end, for a few seconds. */
async function readSome(response: Response): Promise<string> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  const stream = response.headers.get("Content-Type")?.startsWith("text/event-stream");
  let cut = false;
  const end = () => {
    cut = true;
    void reader?.cancel();
  };
  const timer = stream ? setTimeout(end, STREAM_MS) : undefined;
  let text = "";
  while (reader) {
    const { done, value } = await reader.read();
    if (value) text += decoder.decode(value, { stream: true });
    if (text.length > MOST) end();
    if (done || cut) break;
  }
  clearTimeout(timer);
  return cut ? `${text.slice(0, MOST)}\n… (cut here)` : text;
}

/** What stands in the fields at first: in those that must be filled in an example, of what there is where that is known. */
function examples(endpoint: Endpoint): Record<string, string> {
  const there = allMetrics.value.find(({ internal }) => !internal);
  const example = ({ type, example }: EndpointParam) =>
    there && type === "metric" ? `${there.db}/${there.metric}` : there && type === "database" ? there.db : (example ?? "");
  return Object.fromEntries(endpoint.params.map((param) => [param.name, param.required ? example(param) : ""]));
}

export function Tester({ endpoint }: { endpoint: Endpoint }) {
  const typed = useSignal<Record<string, string>>({});
  const values = { ...examples(endpoint), ...typed.value };
  const body = useSignal(endpoint.body?.example ?? "");
  const outcome = useSignal<Outcome | { error: string } | null>(null);
  const busy = useSignal(false);
  const asking = useSignal(false);
  const built = buildRequest(endpoint, values, body.value);
  const origin = settings.api_base_url ? "" : location.origin;
  const command = curlOf({ ...built, url: apiUrl(built.url) }, origin);
  const lacking = missing(endpoint, values);
  const send = async () => {
    asking.value = false;
    busy.value = true;
    const start = performance.now();
    try {
      const response = await fetch(apiUrl(built.url), { method: built.method, headers: built.headers, body: built.body });
      const text = await readSome(response);
      const headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
      outcome.value = { status: response.status, ms: performance.now() - start, bytes: new Blob([text]).size, text: pretty(text), headers };
    } catch {
      outcome.value = { error: "The server cannot be reached." };
    } finally {
      busy.value = false;
    }
  };
  const submit = (event: Event) => {
    event.preventDefault();
    if (lacking.length > 0) return;
    if (endpoint.changes) asking.value = true;
    else void send();
  };
  const answer = outcome.value;
  return (
    <div class="stack">
      <section class="panel" aria-label="Request">
        <header class="row wrap">
          <h2>
            {endpoint.method} {endpoint.path}
          </h2>
          {endpoint.changes && <Badge kind="warning">changes data</Badge>}
        </header>
        <form class="form" onSubmit={submit}>
          <p>
            {endpoint.summary} <span class="quiet">(access: {endpoint.access})</span>
          </p>
          {endpoint.params.map((param) => (
            <Param key={param.name} param={param} values={values} onChange={(value) => (typed.value = { ...typed.value, [param.name]: value })} />
          ))}
          {endpoint.body && (
            <label>
              Body ({endpoint.body.content_type}): {endpoint.body.explain}
              <textarea rows={6} spellcheck={false} value={body.value} onInput={(event) => (body.value = event.currentTarget.value)} />
            </label>
          )}
          <Copyable text={command} label="curl command" />
          {lacking.length > 0 && <p class="field-error">To be filled in: {lacking.join(", ")}</p>}
          <div class="row">
            <Button icon="play" kind="primary" type="submit" disabled={busy.value || lacking.length > 0}>
              {busy.value ? "Sending …" : "Send"}
            </Button>
          </div>
        </form>
      </section>
      <p class="unseen" role="status">
        {answer && "status" in answer ? `Answered with ${answer.status}` : ""}
      </p>
      {answer && (
        <section class="panel" aria-label="Answer">
          {"error" in answer ? (
            <p class="message bad" role="alert">
              {answer.error}
            </p>
          ) : (
            <>
              <header class="row wrap">
                <h2>Answer</h2>
                <Badge kind={answer.status < 400 ? "ok" : "critical"}>{answer.status}</Badge>
                <span class="quiet">
                  {Math.round(answer.ms)} ms, {formatBytes(answer.bytes, unitStyle.value.bytes === "binary")}
                </span>
              </header>
              <details>
                <summary>Headers</summary>
                <pre tabIndex={0}>{answer.headers}</pre>
              </details>
              <pre tabIndex={0} role="region" aria-label="Body of the answer">
                {answer.text || "(empty)"}
              </pre>
            </>
          )}
        </section>
      )}
      {asking.value && (
        <Dialog title="This changes data" onClose={() => (asking.value = false)}>
          <div class="form">
            <p>
              {endpoint.method} {built.url}: {endpoint.summary}
            </p>
            <div class="row">
              <Button kind="danger" onClick={() => void send()}>
                Send it
              </Button>
              <Button onClick={() => (asking.value = false)}>Cancel</Button>
            </div>
          </div>
        </Dialog>
      )}
    </div>
  );
}

/** A parameter; databases and metrics that there are can be chosen. */
function Param({ param, values, onChange }: { param: EndpointParam; values: Record<string, string>; onChange: (value: string) => void }) {
  const list = `list-${param.name}`;
  const db = values.db;
  const known =
    param.options ??
    (param.type === "database"
      ? (catalog.value?.databases.map(({ name }) => name) ?? [])
      : param.type === "metric"
        ? allMetrics.value.filter((m) => !db || m.db === db).map((m) => (db ? m.metric : `${m.db}/${m.metric}`))
        : param.type === "bool"
          ? ["true", "false"]
          : []);
  return (
    <label>
      <span>
        <code>{param.name}</code> {param.required ? "(required) " : ""}
        {param.explain}
        {param.default === null ? "" : `; default ${param.default}`}
      </span>
      <input
        value={values[param.name] ?? ""}
        placeholder={param.example ?? ""}
        list={known.length > 0 ? list : undefined}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
      {known.length > 0 && (
        <datalist id={list}>
          {known.slice(0, 500).map((value) => (
            <option key={value} value={value} />
          ))}
        </datalist>
      )}
    </label>
  );
}
