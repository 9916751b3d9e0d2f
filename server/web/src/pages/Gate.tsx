import type { ReactNode } from "react";

interface GateProps {
  readonly title: string;
  readonly children: ReactNode;
}

/** The frame of the pages before the account: one column, one thing to do. */
export function Gate({ title, children }: GateProps) {
  return (
    <main className="gate">
      <title>{`${title} · Atlantic Proxy`}</title>
      <p className="font-semibold muted">Atlantic</p>
      <h1>{title}</h1>
      {children}
    </main>
  );
}
