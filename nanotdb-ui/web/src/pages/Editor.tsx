/** Editing dashboard.json in place. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { Button } from "../components/Button";
import { Link } from "../components/Link";
import { Backups } from "../editor/Backups";
import { Canvas } from "../editor/Canvas";
import { Conflict } from "../editor/Conflict";
import { addGroup, addWidget, moveGroup, newWidgetId, removeGroup, renameGroup, setWidget } from "../editor/edits";
import { TextField } from "../editor/Field";
import { JsonTab } from "../editor/JsonTab";
import { describe } from "../editor/pointer";
import * as editor from "../editor/state";
import { WidgetForm } from "../editor/WidgetForm";
import { needCatalog } from "../state/catalog";
import { dashboardError } from "../state/dashboard";
import { openStream } from "../state/feed";
import { query, setGuard, setQuery } from "../state/router";
import { settings } from "../state/server-settings";
import { groupPath } from "./group-path";

const LEAVE = "There are changes that are not saved. Leave them?";
const NARROW = "(max-width: 1100px)"; // as in the style sheet
const NO_JSON = "The text is not JSON yet. Drop what was typed since it was?";

function useGuards(): void {
  useEffect(() => {
    setGuard(() => !editor.dirty.peek() || confirm(LEAVE));
    const closing = (event: BeforeUnloadEvent) => {
      if (editor.dirty.peek()) event.preventDefault();
    };
    const keys = (event: KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey)) return;
      const key = event.key.toLowerCase();
      const typing = (event.target as HTMLElement).closest("textarea");
      if (key === "s") void editor.save();
      else if (key === "z" && !typing) editor.step(!event.shiftKey);
      else if (key === "y" && !typing) editor.step(false);
      else return;
      event.preventDefault();
    };
    addEventListener("beforeunload", closing);
    addEventListener("keydown", keys);
    return () => {
      setGuard(null);
      removeEventListener("beforeunload", closing);
      removeEventListener("keydown", keys);
    };
  }, []);
}

export default function Editor() {
  useGuards();
  const chosen = useSignal<string | null>(null);
  const backups = useSignal(false);
  const form = useRef<HTMLElement>(null);
  useEffect(() => {
    if (chosen.value === null) return;
    // On a narrow screen the form stands above the widgets, on a wide one beside them.
    if (matchMedia(NARROW).matches) form.current?.scrollIntoView({ block: "start" });
    else document.querySelector(`.card.chosen`)?.scrollIntoView({ block: "nearest" });
  }, [chosen.value]);
  useEffect(() => {
    void editor.open();
    void needCatalog().then(openStream);
  }, []);
  const config = editor.edited.value;
  const heading = <h1 class="unseen">Edit dashboard</h1>;
  if (settings.read_only) {
    return (
      <div class="message">
        {heading}
        <p>This server does not take changes (web.read_only).</p>
      </div>
    );
  }
  if (!config) {
    return dashboardError.value ? (
      <div class="message bad" role="alert">
        {heading}
        <p>{dashboardError.value}</p>
        <Button onClick={() => void editor.open()}>Try again</Button>
        <Button onClick={() => (backups.value = true)}>Backups</Button>
        {backups.value && <Backups onClose={() => (backups.value = false)} />}
      </div>
    ) : (
      <>
        {heading}
        <div class="skeleton tall" role="status" aria-label="The dashboard is loading" />
      </>
    );
  }
  const errors = editor.errors.value;
  const groups = config.groups ?? [];
  const group = groups.find(({ id }) => id === query.value.get("group")) ?? groups[0];
  const json = query.value.get("view") === "json";
  const show = (id: string) => setQuery((params) => params.set("group", id), { replace: true });
  const widget = chosen.value !== null ? config.widgets?.[chosen.value] : undefined;
  const newWidget = () => {
    const id = newWidgetId(config, "New chart");
    editor.begun(addWidget(config, group?.id ?? "overview", id, { type: "line_chart", title: "New chart", series: [] }), id);
    chosen.value = id;
  };
  /** Back to where it was opened. */
  const closeForm = () => {
    const card = document.querySelector<HTMLElement>(".card.chosen");
    chosen.value = null;
    card?.querySelector<HTMLElement>("[aria-pressed]")?.focus();
    card?.scrollIntoView({ block: "nearest" });
  };
  const past = editor.history.value;
  return (
    <>
      <div class="bar row">
        <h1>Edit dashboard</h1>
        <Button icon="undo" label="Undo" disabled={!past?.past.length && !editor.draft.value} onClick={() => editor.step(true)} />
        <Button icon="redo" label="Redo" disabled={!past?.future.length} onClick={() => editor.step(false)} />
        <Button icon="clock" onClick={() => (backups.value = true)}>
          Backups
        </Button>
        <Button
          icon="api"
          pressed={json}
          onClick={() => {
            if (editor.draft.value && !confirm(NO_JSON)) return;
            editor.draft.value = null;
            setQuery((params) => (json ? params.delete("view") : params.set("view", "json")), { replace: true });
          }}
        >
          JSON
        </Button>
        <Link class="button" href={group ? groupPath(group.id) : settings.base_path}>
          Close
        </Link>
        <Button kind="primary" disabled={!editor.dirty.value || editor.draft.value !== null || editor.saving.value} onClick={() => void editor.save()}>
          {editor.saving.value ? "Saving …" : "Save"}
        </Button>
      </div>
      <p role="status" class={errors.length > 0 || editor.draft.value ? "bad notice" : "quiet notice"}>
        {editor.draft.value
          ? "The text is not JSON yet, so that it cannot be saved."
          : errors.length > 0
            ? `${errors.length} ${errors.length === 1 ? "error" : "errors"}: ${describe(errors[0].path)}: ${errors[0].message}`
            : (editor.notice.value ?? (editor.dirty.value ? "There are changes that are not saved." : "Everything is saved."))}
        {editor.warnings.value.map(({ path, message }) => ` ${describe(path)}: ${message}.`)}
      </p>
      {json ? (
        <JsonTab config={config} errors={errors} onEdit={editor.edit} />
      ) : (
        <>
          <nav class="tabs row" aria-label="Groups">
            {groups.map(({ id, label }) => (
              <a
                key={id}
                href={`?group=${encodeURIComponent(id)}`}
                aria-current={id === group?.id ? "page" : undefined}
                onClick={(event) => {
                  event.preventDefault();
                  show(id);
                }}
              >
                {label ?? id}
              </a>
            ))}
            <Button
              icon="plus"
              onClick={() => {
                const [next, id] = addGroup(config, "New group");
                editor.edit(next);
                show(id);
              }}
            >
              Group
            </Button>
          </nav>
          {!group && (
            <p class="notice">
              A dashboard needs a group. <Button icon="plus" onClick={newWidget}>Widget</Button>
            </p>
          )}
          {group && (
            <div class="row wrap group-tools">
              <div class="form">
                <TextField
                  label="Name of the dashboard"
                  path="/title"
                  errors={errors}
                  value={config.title}
                  onChange={(title) => editor.edit({ ...config, title }, "title")}
                />
              </div>
              <div class="form">
                <TextField
                  label="Name of the group"
                  path={`/groups/${groups.indexOf(group)}/label`}
                  errors={errors}
                  value={group.label}
                  onChange={(label) => editor.edit(renameGroup(config, group.id, label), `label/${group.id}`)}
                />
              </div>
              <Button icon="back" label="Group to the left" onClick={() => editor.edit(moveGroup(config, group.id, -1))} />
              <Button icon="forward" label="Group to the right" onClick={() => editor.edit(moveGroup(config, group.id, 1))} />
              <Button icon="trash" label="Remove the group with its widgets" onClick={() => editor.edit(removeGroup(config, group.id))} />
              <Button icon="plus" onClick={newWidget}>
                Widget
              </Button>
            </div>
          )}
          <div class={widget ? "editor with-form" : "editor"}>
            {group && (
              <Canvas config={config} group={group.id} chosen={chosen.value} errors={errors} onChoose={(id) => (chosen.value = chosen.value === id ? null : id)} onEdit={editor.edit} />
            )}
            {widget && chosen.value !== null && (
              <aside ref={form} class="panel" aria-label="Widget">
                <header class="row">
                  <h2>{widget.title ?? chosen.value}</h2>
                  <Button icon="close" label="Close the form" onClick={closeForm} />
                </header>
                <WidgetForm
                  key={chosen.value}
                  id={chosen.value}
                  widget={widget}
                  defaultDb={config.default_db ?? ""}
                  errors={errors}
                  onChange={(next, key) => editor.edit(setWidget(config, chosen.value ?? "", next), key)}
                />
              </aside>
            )}
          </div>
        </>
      )}
      {backups.value && <Backups onClose={() => (backups.value = false)} />}
      {editor.conflict.value && <Conflict />}
    </>
  );
}
