import { render } from "preact";
import { App } from "./App";
import { loadCatalog } from "./state/catalog";
import { loadDashboard } from "./state/dashboard";
import { pageOf } from "./state/pages";
import { path } from "./state/router";
import { settings } from "./state/server-settings";
import { installShortcuts } from "./state/shortcuts";
import "uplot/dist/uPlot.min.css";
import "./style/index.css";

// What the page needs first is asked for before it is drawn.
const page = pageOf(path.peek(), settings);
if (page === "dashboard" || page === "edit") void loadDashboard();
else void loadCatalog();
installShortcuts();
const root = document.getElementById("app");
if (root) render(<App />, root);
