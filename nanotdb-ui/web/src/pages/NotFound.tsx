import { Link } from "../components/Link";
import { path } from "../state/router";

export function NotFound() {
  return (
    <div class="message">
      <h1>There is no page at {path.value}</h1>
      <p>
        <Link href="/">Home</Link> has what there is.
      </p>
    </div>
  );
}
