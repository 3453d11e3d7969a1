/** The frame of all pages, and which page an address is. */
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Header } from "./components/Header";
import { Home } from "./pages/Home";
import { Dashboard } from "./pages/Dashboard";
import { NotFound } from "./pages/NotFound";
import { link } from "./state/connection";
import { path } from "./state/router";
import { settings } from "./state/server-settings";
import { pageOf, type PageName } from "./state/pages";

type LazyName = Exclude<PageName, "home" | "dashboard" | "unknown">;

/** Pages that are fetched when they are first opened. */
const LAZY: Record<LazyName, () => Promise<{ default: ComponentType }>> = {
  edit: () => import("./pages/Editor"),
  explore: () => import("./pages/Explore"),
  engine: () => import("./pages/Engine"),
  api: () => import("./pages/ApiTester"),
};

const TITLES: Record<PageName, string> = {
  home: "Home",
  dashboard: "Dashboard",
  edit: "Edit dashboard",
  explore: "Explore",
  engine: "Engine",
  api: "API tester",
  unknown: "Not found",
};

function Lazy({ name }: { name: LazyName }) {
  const [page, setPage] = useState<{ Page: ComponentType } | { error: string } | null>(null);
  const [attempt, setAttempt] = useState(0);
  const failed = page !== null && "error" in page;
  const away = link.value.state === "away";
  useEffect(() => {
    if (failed && !away) setAttempt((count) => count + 1); // the server is back
  }, [away]);
  useEffect(() => {
    let here = true;
    LAZY[name]().then(
      (module) => here && setPage({ Page: module.default }),
      () => here && setPage({ error: "This page could not be fetched: the server is away, or was updated meanwhile." }),
    );
    return () => {
      here = false;
    };
  }, [name, attempt]);
  if (!page) {
    return (
      <>
        <h1 class="unseen">{TITLES[name]}</h1>
        <div class="skeleton tall" role="status" aria-label="The page is loading" />
      </>
    );
  }
  if ("error" in page) {
    return (
      <div class="message bad" role="alert">
        <h1>{TITLES[name]}</h1>
        <p>{page.error}</p>
        <button type="button" class="button" onClick={() => setAttempt(attempt + 1)}>
          Try again
        </button>
        <button type="button" class="button" onClick={() => location.reload()}>
          Reload
        </button>
      </div>
    );
  }
  return <page.Page />;
}

export function App() {
  const name = pageOf(path.value, settings);
  useEffect(() => {
    document.title = `${TITLES[name]} – ${settings.title}`;
  }, [name]);
  return (
    <>
      <Header />
      <main id="main" tabIndex={-1}>
        {name === "home" ? (
          <Home />
        ) : name === "dashboard" ? (
          <Dashboard />
        ) : name === "unknown" ? (
          <NotFound />
        ) : (
          <Lazy key={name} name={name} />
        )}
      </main>
    </>
  );
}
