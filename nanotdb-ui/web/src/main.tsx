import { render } from "preact";
import { App } from "./App";
import { installShortcuts } from "./state/shortcuts";
import "uplot/dist/uPlot.min.css";
import "./style/index.css";

installShortcuts();
const root = document.getElementById("app");
if (root) render(<App />, root);
