import { formatBytes, formatExactBytes, formatShareOf } from "@atlantic/shared/look/bytes.ts";
import type { PopupModel } from "../../messages.ts";

/** Bytes since the companion started, and what the account has used of its allowance. */
export function UsageFooter({ usage }: { readonly usage: PopupModel["usage"] }) {
  const total = usage ? usage.sentBytes + usage.receivedBytes : null;
  const share = usage && shareOf(usage);
  return (
    <footer>
      <div className="row">
        <span className="grow" title={total === null ? undefined : formatExactBytes(total)}>
          {total === null ? "Usage is not known yet" : `${formatBytes(total)} since you started`}
        </span>
        <span className="muted" title="1 GB is 1,000,000,000 bytes">
          {share?.text}
        </span>
      </div>
      <div className="bar" aria-hidden="true">
        <i style={{ width: `${share?.percent ?? 0}%` }} />
      </div>
    </footer>
  );
}

function shareOf(usage: NonNullable<PopupModel["usage"]>): { text: string; percent: number } | null {
  const { remainingBytes, allowanceBytes } = usage;
  if (remainingBytes === null || allowanceBytes === null || allowanceBytes === 0n) return null;
  const used = allowanceBytes > remainingBytes ? allowanceBytes - remainingBytes : 0n;
  return { text: formatShareOf(used, allowanceBytes), percent: Number((used * 1000n) / allowanceBytes) / 10 };
}
