/** Every endpoint of the server, to try out: from the table that its documentation is made of. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { request } from "../api/client";
import type { Endpoint } from "../api/types";
import { Link } from "../components/Link";
import { Loaded } from "../components/Loaded";
import { needCatalog } from "../state/catalog";
import { openStream } from "../state/feed";
import { query } from "../state/router";
import { useAnswer } from "../state/use-answer";
import { Tester } from "../tester/Tester";

export default function ApiTester() {
  const search = useSignal("");
  useEffect(() => {
    void needCatalog().then(openStream);
  }, []);
  const answer = useAnswer(async () => (await request<{ endpoints: Endpoint[] }>("/api/v1/ui/endpoints")).body.endpoints, "endpoints");
  return (
    <>
      <div class="bar row">
        <h1>API tester</h1>
      </div>
      <Loaded what="The list of endpoints" answer={answer}>
        {(endpoints) => {
          const chosen = endpoints.find(({ id }) => id === query.value.get("endpoint")) ?? endpoints[0];
          const found = endpoints.filter((e) => `${e.method} ${e.path} ${e.summary}`.toLowerCase().includes(search.value.toLowerCase()));
          const groups = [...new Set(found.map(({ group }) => group))];
          return (
            <div class="tester">
              <nav class="panel" aria-label="Endpoints">
                <input
                  type="search"
                  aria-label="Search endpoints"
                  placeholder="Search endpoints"
                  style={{ margin: "12px 0 8px" }}
                  value={search.value}
                  onInput={(event) => (search.value = event.currentTarget.value)}
                />
                <div class="scroll" tabIndex={0} role="region" aria-label="Endpoints by group">
                  {groups.map((group) => (
                    <div key={group}>
                      <h2>{group}</h2>
                      <ul>
                        {found
                          .filter((endpoint) => endpoint.group === group)
                          .map(({ id, method, path }) => (
                            <li key={id}>
                              <Link href={`/api-tester?endpoint=${encodeURIComponent(id)}`} current={id === chosen?.id}>
                                <span class="method">{method}</span>
                                <span>{path}</span>
                              </Link>
                            </li>
                          ))}
                      </ul>
                    </div>
                  ))}
                  {found.length === 0 && <p class="quiet">No endpoint has these letters.</p>}
                </div>
              </nav>
              {chosen && <Tester key={chosen.id} endpoint={chosen} />}
            </div>
          );
        }}
      </Loaded>
    </>
  );
}
