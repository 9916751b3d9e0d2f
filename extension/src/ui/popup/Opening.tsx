/** What stands while the background wakes up: the same boxes, so that nothing moves when it answers. */
export function Opening() {
  return (
    <>
      <section className="hero panel" aria-busy="true" aria-label="This tab">
        <div className="row">
          <div className="grow">
            <h2 className="place">
              <span className="pending">Connecting</span>
            </h2>
            <p className="address">
              <span className="pending">203.0.113.24</span>
            </p>
          </div>
        </div>
        <div className="why">
          <p className="muted">Asking the companion where this tab goes.</p>
        </div>
      </section>
      <div className="scope segmented" aria-hidden="true">
        <span className="kept" />
      </div>
      <section className="list panel" aria-hidden="true" />
      <section className="facts panel" aria-hidden="true">
        <div className="fact" />
        <div className="fact" />
      </section>
      <footer aria-hidden="true">
        <div className="row">&nbsp;</div>
        <div className="bar" />
      </footer>
    </>
  );
}
