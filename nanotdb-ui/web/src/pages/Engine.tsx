/** What the engine does and holds. `?db=name` shows one database. */
import { useEffect } from "preact/hooks";
import { getEngine } from "../api/engine";
import { Link } from "../components/Link";
import { Loaded } from "../components/Loaded";
import { Database } from "../engine/Database";
import { Overview } from "../engine/Overview";
import { needCatalog } from "../state/catalog";
import { openStream } from "../state/feed";
import { query } from "../state/router";
import { settings } from "../state/server-settings";
import { useAnswer } from "../state/use-answer";

function Whole() {
  const answer = useAnswer(getEngine, "engine", 30_000);
  return (
    <div class="stack">
      <Loaded what="The engine" answer={answer}>
        {(engine) => <Overview engine={engine} reload={answer.reload} />}
      </Loaded>
    </div>
  );
}

export default function Engine() {
  useEffect(() => {
    void needCatalog().then(openStream);
  }, []);
  const db = query.value.get("db");
  return (
    <>
      <div class="bar row">
        <h1>
          {db === null ? (
            "Engine"
          ) : (
            <>
              <Link href={settings.engine_path}>Engine</Link> / {db}
            </>
          )}
        </h1>
      </div>
      {db === null ? <Whole /> : <Database key={db} name={db} />}
    </>
  );
}
