import { CopyLine } from "../../parts/CopyLine.tsx";

/** What the credential's connections carried, to keep and to show. */
export function Receipts({ credentialId }: { readonly credentialId: string }) {
  return (
    <section className="panel" aria-labelledby="receipts">
      <h2 id="receipts">Receipts</h2>
      <p className="muted mt-1">
        One for each connection that has ended: when, where to, how many bytes, charged and not charged. Each
        names the one before it, and the file is signed, so that a changed or missing line shows.
      </p>
      <p className="mt-3">
        <a className="button" href={`/api/v1/receipts/${credentialId}/file`} download>
          Download
        </a>
      </p>
      <CopyLine name="Check the file" text={`npx atlantic verify receipts receipts-${credentialId}.jsonl`} />
    </section>
  );
}
