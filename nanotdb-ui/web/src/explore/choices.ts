/** What Explore shows, as it stands in the address. */
import { setQuery } from "../state/router";

const RATE = "rate:";

export interface Choice {
  name: string;
  db: string;
  metric: string;
  rate: boolean;
}

/** `m=db/metric` or `m=rate:db/metric`, once per line. */
export function readChoices(params: URLSearchParams): Choice[] {
  return params.getAll("m").flatMap((text) => {
    const rate = text.startsWith(RATE);
    const name = rate ? text.slice(RATE.length) : text;
    const slash = name.indexOf("/");
    return slash > 0 ? [{ name, db: name.slice(0, slash), metric: name.slice(slash + 1), rate }] : [];
  });
}

export function writeChoices(choices: Choice[]): void {
  setQuery((params) => {
    params.delete("m");
    for (const { name, rate } of choices) params.append("m", (rate ? RATE : "") + name);
  });
}
