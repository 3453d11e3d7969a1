/** What Explore shows, as a new widget of dashboard.json. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { LineSpec } from "../charts/ChartPanel";
import { putDashboard } from "../api/dashboard";
import { dashboard, dashboardError, loadDashboard } from "../state/dashboard";
import { groupPath } from "../pages/group-path";
import { addWidget, newWidgetId } from "../editor/edits";
import { Button } from "./Button";
import { Dialog } from "./Dialog";
import { Link } from "./Link";

export function AddToDashboard({ specs, onClose }: { specs: LineSpec[]; onClose: () => void }) {
  const title = useSignal(specs.length === 1 ? specs[0].metric : `${specs.length} metrics`);
  const group = useSignal<string | null>(null);
  const state = useSignal<"asking" | "saving" | "done">("asking");
  const problem = useSignal("");
  useEffect(() => {
    void loadDashboard();
  }, []);
  const groups = dashboard.value?.config.groups ?? [];
  const chosen = group.value ?? groups[0]?.id ?? "overview";
  const save = async (event: Event) => {
    event.preventDefault();
    const loaded = await loadDashboard(); // the newest, so that nothing of others is lost
    if (!loaded) {
      problem.value = dashboardError.value ?? "";
      return;
    }
    state.value = "saving";
    const id = newWidgetId(loaded.config, title.value);
    const widget = {
      type: "line_chart",
      title: title.value,
      series: specs.map(({ db, metric, rate }) => ({ label: metric, db, metric, ...(rate ? { rate } : {}) })),
    };
    try {
      const { body, etag } = await putDashboard(addWidget(loaded.config, chosen, id, widget), loaded.etag);
      dashboard.value = { config: body.config, etag };
      state.value = "done";
    } catch (error) {
      problem.value = (error as Error).message;
      state.value = "asking";
    }
  };
  return (
    <Dialog title="Add to dashboard" onClose={onClose}>
      {state.value === "done" ? (
        <p role="status">
          Added. <Link href={groupPath(chosen)}>Open the dashboard</Link>
        </p>
      ) : (
        <form class="form" onSubmit={save}>
          <label>
            Title
            <input required value={title.value} onInput={(event) => (title.value = event.currentTarget.value)} />
          </label>
          <label>
            Group
            <select value={chosen} onChange={(event) => (group.value = event.currentTarget.value)}>
              {groups.map(({ id, label }) => (
                <option key={id} value={id}>
                  {label ?? id}
                </option>
              ))}
              {groups.length === 0 && <option value="overview">Overview (new)</option>}
            </select>
          </label>
          {problem.value && (
            <p class="bad" role="alert">
              {problem.value}
            </p>
          )}
          <Button kind="primary" type="submit" disabled={state.value === "saving"}>
            Add
          </Button>
        </form>
      )}
    </Dialog>
  );
}
