/** What an extension cannot hold, said plainly. */
export function Limits() {
  return (
    <section className="panel" aria-labelledby="limits">
      <h2 id="limits">What this extension cannot hold</h2>
      <ul className="limits">
        <li>
          <b>Switched off or removed, it protects nothing.</b> The browser then goes directly, with this
          computer's own address, and does not ask. Only the companion's kill switch or a managed proxy policy
          can close that.
        </li>
        <li>
          <b>Private windows are apart.</b> Until you allow the extension in private windows, they go
          directly.
        </li>
        <li>
          <b>Other programs are not routed.</b> Mail, chats, updates and other browsers keep their own way,
          unless the companion carries the whole computer.
        </li>
        <li>
          <b>Some requests belong to no tab.</b> Those of service workers and shared workers follow their
          site. Where two tabs of one site use different exits, such a request is blocked rather than sent the
          wrong way.
        </li>
      </ul>
    </section>
  );
}
