import { saveFile } from "../charts/export";
import { Button } from "../components/Button";
import { Dialog } from "../components/Dialog";
import { conflict, discard, edited, save } from "./state";

/** Someone else saved since this edit began. Nothing is lost without a click. */
export function Conflict() {
  const keep = () => saveFile("dashboard-mine.json", new Blob([JSON.stringify(edited.value, null, 2)], { type: "application/json" }));
  return (
    <Dialog title="The dashboard was changed meanwhile" onClose={() => (conflict.value = false)}>
      <div class="form">
        <p>Someone else saved it after you began. Your changes are still here, and not saved.</p>
        <Button icon="download" onClick={keep}>
          Save mine as a file
        </Button>
        <Button kind="danger" onClick={() => void save(true)}>
          Replace theirs with mine
        </Button>
        <Button kind="danger" onClick={() => void discard()}>
          Drop mine, take theirs
        </Button>
        <p class="quiet">Theirs stays among the backups when it is replaced.</p>
      </div>
    </Dialog>
  );
}
