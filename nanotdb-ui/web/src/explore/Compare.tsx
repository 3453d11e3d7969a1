import { setQuery } from "../state/router";
import { formatDuration, spaced } from "../time/duration";

/** Which earlier time stands beside the present one. */
export function Compare({ back }: { back: number }) {
  const choices = ["1h", "1d", "7d", "30d"];
  const current = back === 0 ? "" : formatDuration(back);
  return (
    <select
      aria-label="Compare with an earlier time"
      value={current}
      onChange={(event) => {
        const chosen = event.currentTarget.value;
        setQuery((params) => (chosen ? params.set("compare", chosen) : params.delete("compare")));
      }}
    >
      <option value="">Compare …</option>
      {[...choices, ...(current && !choices.includes(current) ? [current] : [])].map((one) => (
        <option key={one} value={one}>
          with {spaced(one)} earlier
        </option>
      ))}
    </select>
  );
}
