import { useSignal } from "@preact/signals";
import { path } from "../state/router";
import { settings } from "../state/server-settings";
import { Shortcuts } from "./Shortcuts";
import { Button } from "./Button";
import { Icon, type IconName } from "./Icon";
import { Link } from "./Link";
import { ServerState } from "./ServerState";
import { SettingsDialog } from "../settings/SettingsDialog";
import { shortcutsOpen } from "../state/shortcuts";

const PAGES: { href: string; label: string; icon: IconName }[] = [
  { href: "/", label: "Home", icon: "home" },
  { href: settings.base_path, label: "Dashboard", icon: "grid" },
  { href: settings.explore_path, label: "Explore", icon: "chart" },
  { href: settings.engine_path, label: "Engine", icon: "engine" },
  { href: "/api-tester", label: "API", icon: "api" },
];

export function Header() {
  const settingsOpen = useSignal(false);
  const here = path.value;
  return (
    <header class="top row">
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <span class="brand">
        <svg viewBox="0 0 16 16" width="24" height="24" aria-hidden="true">
          <rect width="16" height="16" rx="4" fill="#2563eb" />
          <path d="M2.5 10.5 6 6.5l3 2.5 4.5-5" fill="none" stroke="#fff" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" />
        </svg>
        <span class="brand-name">{settings.title}</span>
      </span>
      <nav class="row" aria-label="Pages">
        {PAGES.map(({ href, label, icon }) => (
          <Link key={href} href={href} current={href === "/" ? here === "/" : here === href || here.startsWith(`${href}/`)}>
            <Icon name={icon} />
            <span>{label}</span>
          </Link>
        ))}
      </nav>
      <ServerState />
      <Button icon="help" label="Keyboard shortcuts" onClick={() => (shortcutsOpen.value = true)} />
      <Button icon="settings" label="Settings of this browser" onClick={() => (settingsOpen.value = true)} />
      {settingsOpen.value && <SettingsDialog onClose={() => (settingsOpen.value = false)} />}
      {shortcutsOpen.value && <Shortcuts onClose={() => (shortcutsOpen.value = false)} />}
    </header>
  );
}
