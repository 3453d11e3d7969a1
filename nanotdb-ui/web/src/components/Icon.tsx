/** Inline icons, 16 px, drawn with the text colour. Decoration: a label stands beside or in aria-label. */
const PATHS = {
  back: "M9.5 3 4.5 8l5 5",
  forward: "m6.5 3 5 5-5 5",
  zoomIn: "M7 3a4 4 0 1 0 0 8 4 4 0 0 0 0-8Zm3 7 3.5 3.5M7 5v4M5 7h4",
  zoomOut: "M7 3a4 4 0 1 0 0 8 4 4 0 0 0 0-8Zm3 7 3.5 3.5M5 7h4",
  undo: "M6 3 3 6l3 3M3 6h6a4 4 0 0 1 0 8H6",
  redo: "m10 3 3 3-3 3m3-3H7a4 4 0 0 0 0 8h3",
  full: "M2.5 6V2.5H6m4 0h3.5V6m0 4v3.5H10m-4 0H2.5V10",
  close: "m3.5 3.5 9 9m0-9-9 9",
  menu: "M8 3.2v.1M8 8v.1m0 4.6v.1",
  table: "M2.5 3.5h11v9h-11zm0 3h11m-11 3h11m-7-6v9",
  download: "M8 2.5v7m-3-3 3 3 3-3m-8 6h10",
  image: "M2.5 3.5h11v9h-11zm0 7 3-3 3 3 2-2 3 3M10.5 6v.1",
  settings: "M2.5 4.5h6m3 0h2m-11 7h2m3 0h6M10 3v3M6 10v3",
  help: "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2ZM6.2 6.4a1.8 1.8 0 1 1 2.5 1.7c-.5.2-.7.5-.7 1m0 2.2v.1",
  warning: "M8 2.5 14 13H2L8 2.5Zm0 4v3m0 1.8v.1",
  critical: "M5.5 2.5h5l3 3v5l-3 3h-5l-3-3v-5zm0 3 5 5m0-5-5 5",
  ok: "m3 8.5 3.2 3L13 4.5",
  clock: "M8 2.2a5.8 5.8 0 1 0 0 11.6A5.8 5.8 0 0 0 8 2.2ZM8 5v3.2l2.2 1.5",
  offline: "M2 6.5a9 9 0 0 1 12 0M4.2 9a6 6 0 0 1 7.6 0M8 12v.1M3 14 13 2",
  live: "M8 7a1 1 0 1 0 0 2 1 1 0 0 0 0-2ZM4.8 11.2a4.5 4.5 0 0 1 0-6.4m6.4 0a4.5 4.5 0 0 1 0 6.4",
  plus: "M8 3v10M3 8h10",
  trash: "M3 4.5h10m-6.5 0v-2h3v2m-5 0 .6 9h5.8l.6-9",
  copy: "M5.5 5.5h8v8h-8zm-3 5v-8h8",
  edit: "m3 13 .7-3L11 2.7l2.3 2.3L6 12.3 3 13Z",
  grip: "M6 4v.1M10 4v.1M6 8v.1M10 8v.1M6 12v.1M10 12v.1",
  up: "m3.5 10 4.5-5 4.5 5",
  down: "m3.5 6 4.5 5 4.5-5",
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9Zm3.3 7.8 3.2 3.2",
  play: "M5 3v10l8-5z",
  home: "M2.5 8 8 3l5.5 5M4 7v6h8V7",
  grid: "M2.5 2.5h4.5V7H2.5zm6.5 0h4.5V7H9zM2.5 9h4.5v4.5H2.5zM9 9h4.5v4.5H9z",
  chart: "M2.5 2.5v11h11m-9-3 3-3.5 2.2 2 3.3-4.5",
  engine: "M8 5.8a2.2 2.2 0 1 0 0 4.4 2.2 2.2 0 0 0 0-4.4ZM8 2v2m0 8v2M2 8h2m8 0h2M3.8 3.8l1.4 1.4m5.6 5.6 1.4 1.4m0-8.4-1.4 1.4M5.2 10.8l-1.4 1.4",
  api: "M6 4 2.5 8 6 12m4-8 3.5 4-3.5 4",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  const dots = name === "menu" || name === "grip";
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path
        d={PATHS[name]}
        fill="none"
        stroke="currentColor"
        stroke-width={dots ? 2.2 : 1.5}
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}
