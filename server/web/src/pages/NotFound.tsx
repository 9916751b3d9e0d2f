import { Link } from "react-router";

/** A path that leads nowhere. */
export function NotFound() {
  return (
    <>
      <title>No such page · Atlantic Proxy</title>
      <h1>There is no such page</h1>
      <p className="muted">
        The address may be mistyped or old. Go to the <Link to="/">dashboard</Link>.
      </p>
    </>
  );
}
