/** What Explore shows, as it stands in the address. */
import { setQuery } from "../state/router";
import { parseDuration } from "../time/duration";

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

/** What of the address is none, in words. */
export function misread(params: URLSearchParams): string[] {
  const nameless = params.getAll("m").filter((text) => text.replace(RATE, "").indexOf("/") <= 0);
  const compare = params.get("compare");
  return [
    ...nameless.map((text) => `m=${text} is no metric: it is written database/metric`),
    ...(compare !== null && parseDuration(compare) === null ? [`compare=${compare} is no length of time, such as 1d`] : []),
  ];
}

export function writeChoices(choices: Choice[]): void {
  setQuery((params) => {
    params.delete("m");
    for (const { name, rate } of choices) params.append("m", (rate ? RATE : "") + name);
  });
}
