/** dashboard.json, one group at a time, under one time bar. */
import { useEffect } from "preact/hooks";
import { Button } from "../components/Button";
import { Icon } from "../components/Icon";
import { Link } from "../components/Link";
import { TimeBar } from "../components/TimeBar";
import { dashboard, dashboardError, loadDashboard } from "../state/dashboard";
import { status } from "../state/catalog";
import { openStream } from "../state/feed";
import { groupOf } from "../state/pages";
import { path, query } from "../state/router";
import { groupPath } from "./group-path";
import { settings } from "../state/server-settings";
import { range } from "../state/time-range";
import { DEFAULT_LOOKBACK_MS, lookbackOf } from "../widgets/config";
import { Widget } from "../widgets/Widget";

export function Dashboard() {
  useEffect(() => {
    void loadDashboard().then(() => setTimeout(openStream, 500));
  }, []);
  const loaded = dashboard.value;
  if (!loaded) {
    return dashboardError.value ? (
      <div class="message bad" role="alert">
        <h1>The dashboard could not be read</h1>
        <p>{dashboardError.value}</p>
        <Button onClick={() => void loadDashboard()}>Try again</Button>
        {!settings.read_only && <Link href={`${settings.base_path.replace(/\/$/, "")}/edit`}>Restore a backup in the editor</Link>}
      </div>
    ) : (
      <>
        <h1 class="unseen">Dashboard</h1>
        <div class="skeleton tall" role="status" aria-label="The dashboard is loading" />
      </>
    );
  }
  const { config } = loaded;
  const groups = config.groups ?? [];
  const wanted = groupOf(path.value, settings);
  const group = wanted === null ? groups[0] : groups.find(({ id }) => id === wanted);
  const widgets = (group?.widgets ?? []).flatMap((id) => {
    const widget = config.widgets?.[id];
    return widget ? [{ id, widget }] : [];
  });
  const lookback = widgets.reduce((most, { widget }) => Math.max(most, widget.lookback ? lookbackOf(widget) : 0), 0);
  const editPath = `${settings.base_path.replace(/\/$/, "")}/edit${group ? `?group=${encodeURIComponent(group.id)}` : ""}`;
  const search = new URLSearchParams(query.value);
  search.delete("panel");
  const keep = search.size > 0 ? `?${search}` : "";
  return (
    <>
      <div class="bar row">
        <h1>{config.title ?? "Dashboard"}</h1>
        <TimeBar lookbackMs={lookback || DEFAULT_LOOKBACK_MS} auto="As each panel says" />
        {!settings.read_only && (
          <Link href={editPath} class="button">
            <Icon name="edit" />
            Edit
          </Link>
        )}
      </div>
      {status.value?.metrics === 0 && (
        <p class="notice">
          No sample was sent to this server yet. <Link href="/">Home</Link> shows how to send one.
        </p>
      )}
      {groups.length > 1 && (
        <nav class="tabs row" aria-label="Groups">
          {groups.map(({ id, label }) => (
            <Link key={id} href={groupPath(id) + keep} current={id === group?.id}>
              {label ?? id}
            </Link>
          ))}
        </nav>
      )}
      {!group ? (
        <div class="message">
          <p>
            {wanted === null ? "This dashboard has no groups yet." : `There is no group “${wanted}”.`}
            {!settings.read_only && <Link href={editPath}> Edit the dashboard</Link>}
          </p>
        </div>
      ) : widgets.length === 0 ? (
        <div class="message">
          <p>
            This group has no widgets yet. {!settings.read_only && <Link href={editPath}>Add one</Link>}
          </p>
        </div>
      ) : (
        <div class="grid dashboard">
          {widgets.map(({ id, widget }) => (
            <Widget key={`${group.id}/${id}`} id={id} widget={widget} defaultDb={config.default_db ?? ""} range={range.value} />
          ))}
        </div>
      )}
    </>
  );
}
