import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { getBackup, listBackups } from "../api/dashboard";
import type { Backup } from "../api/types";
import { Button } from "../components/Button";
import { Dialog } from "../components/Dialog";
import { clockStyle, unitStyle } from "../state/prefs";
import { formatDateTime } from "../time/format";
import { formatBytes } from "../scale/number";
import { dirty, edited, restore, takeOver } from "./state";

/** Versions before: opened as a change, that is saved or undone like any other, or restored at once. */
export function Backups({ onClose }: { onClose: () => void }) {
  const list = useSignal<Backup[] | null>(null);
  const problem = useSignal("");
  useEffect(() => {
    listBackups().then(
      (backups) => (list.value = backups),
      (error: Error) => (problem.value = error.message),
    );
  }, []);
  const take = async (name: string) => {
    try {
      takeOver(await getBackup(name));
      onClose();
    } catch (error) {
      problem.value = (error as Error).message;
    }
  };
  const putBack = async (name: string) => {
    if (dirty.peek() && !confirm("The changes that are not saved are replaced by this version. Undo brings them back. Restore it?")) return;
    const failure = await restore(name);
    if (failure) problem.value = failure;
    else onClose();
  };
  return (
    <Dialog title="Backups" wide onClose={onClose}>
      {problem.value && (
        <p class="bad" role="alert">
          {problem.value}
        </p>
      )}
      {list.value === null && !problem.value && <div class="skeleton" role="status" aria-label="Loading" />}
      {list.value?.length === 0 && <p>There are none yet: every save keeps the version before.</p>}
      {list.value && list.value.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Backups">
          <table>
            <thead>
              <tr>
                <th scope="col">Saved</th>
                <th scope="col" class="number">
                  Widgets
                </th>
                <th scope="col" class="number">
                  Size
                </th>
                <th scope="col">
                  <span class="unseen">Open or restore</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {list.value.map(({ name, time_ms, bytes, widgets }) => (
                <tr key={name}>
                  <th scope="row">{formatDateTime(time_ms, clockStyle.value)}</th>
                  <td class="number">{widgets}</td>
                  <td class="number">{formatBytes(bytes, unitStyle.value.bytes === "binary")}</td>
                  <td class="row">
                    {edited.value && (
                      <Button onClick={() => void take(name)} label={`Open the version of ${formatDateTime(time_ms, clockStyle.value)}`}>
                        Open
                      </Button>
                    )}
                    <Button onClick={() => void putBack(name)} label={`Restore the version of ${formatDateTime(time_ms, clockStyle.value)}`}>
                      Restore
                    </Button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Dialog>
  );
}
