/** Settings of this browser. */
import { Dialog } from "../components/Dialog";
import { type Prefs, prefs, setPref } from "../state/prefs";
import { settings } from "../state/server-settings";
import { browserZone } from "../time/zone";

function Choice<K extends keyof Prefs>({ name, label, options }: { name: K; label: string; options: [Prefs[K], string][] }) {
  return (
    <label>
      {label}
      <select
        value={String(prefs.value[name])}
        onChange={(event) => {
          const found = options.find(([value]) => String(value) === event.currentTarget.value);
          if (found) setPref(name, found[0]);
        }}
      >
        {options.map(([value, text]) => (
          <option key={String(value)} value={String(value)}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

export function SettingsDialog({ onClose }: { onClose: () => void }) {
  const zones: [string, string][] = [["", `of this browser (${browserZone()})`], ["UTC", "UTC"]];
  for (const zone of Intl.supportedValuesOf("timeZone")) zones.push([zone, zone]);
  return (
    <Dialog title="Settings of this browser" onClose={onClose}>
      <div class="form">
        <Choice name="theme" label="Theme" options={[["auto", "as the system"], ["dark", "dark"], ["light", "light"]]} />
        <Choice name="hours" label="Clock" options={[["auto", "as the language"], ["24", "24 hours"], ["12", "12 hours"]]} />
        <Choice name="zone" label="Time zone" options={zones} />
        <Choice name="bytes" label="Sizes" options={[["binary", "KiB, MiB (1024)"], ["decimal", "kB, MB (1000)"]]} />
        <Choice name="temperature" label="Temperatures" options={[["celsius", "°C"], ["fahrenheit", "°F"]]} />
        <Choice name="rawUnits" label="Units" options={[[false, "guessed from metric names"], [true, "none: numbers as stored"]]} />
      </div>
      {settings.version && <p class="quiet">NanoTDB {settings.version}</p>}
    </Dialog>
  );
}
