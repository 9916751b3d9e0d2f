import { Link } from "react-router";

/** A path that leads nowhere. */
export function NotFound() {
  return (
    <>
      <h1>There is no such page</h1>
      <p className="muted">
        The address may be mistyped or old. Go to the <Link to="/">dashboard</Link>.
      </p>
    </>
  );
}
