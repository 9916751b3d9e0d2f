import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { api } from "../../api/trpc.ts";
import { Confirm } from "../../parts/Confirm.tsx";
import { CopyButton } from "../../parts/CopyButton.tsx";
import { formatDayAndTime } from "../../parts/moments.ts";
import type { Issued } from "./IssuedPassword.tsx";

type Credential = Awaited<ReturnType<typeof api.credentials.list.query>>["credentials"][number];

interface CredentialTableProps {
  readonly credentials: readonly Credential[];
  readonly onIssued: (issued: Issued) => void;
}

type Asked = { readonly to: "rotate" | "revoke"; readonly credential: Credential };

/** The credentials, with the ways to change a password and to end one. */
export function CredentialTable({ credentials, onIssued }: CredentialTableProps) {
  const [asked, setAsked] = useState<Asked | null>(null);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard.
    <section className="wide" aria-label="Credentials, table" tabIndex={0}>
      <table>
        <thead>
          <tr>
            <th scope="col">For</th>
            <th scope="col">User name</th>
            <th scope="col" className="max-sm:hidden">
              Created
            </th>
            <th scope="col" className="max-sm:hidden">
              Last used
            </th>
            <th>
              <span className="unseen">Change</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {credentials.map((credential) => (
            <CredentialRow key={credential.id} credential={credential} onAsk={setAsked} />
          ))}
        </tbody>
      </table>
      {asked && <Ask asked={asked} onIssued={onIssued} onDone={() => setAsked(null)} />}
    </section>
  );
}

interface CredentialRowProps {
  readonly credential: Credential;
  readonly onAsk: (asked: Asked) => void;
}

function CredentialRow({ credential, onAsk }: CredentialRowProps) {
  const { label, username, createdAt, lastUsedAt, revokedAt } = credential;
  return (
    <tr>
      <td className="max-w-56 clip max-sm:max-w-18" title={label}>
        {revokedAt === null ? <Link to={`/credentials/${credential.id}`}>{label}</Link> : label}
      </td>
      <td className="sm:whitespace-nowrap">
        <span className="mono">{username}</span>{" "}
        {revokedAt === null && <CopyButton text={username} what={`the user name of ${label}`} />}
        <span className="faint block text-xs sm:hidden">
          {lastUsedAt === null ? "never used" : `used ${formatDayAndTime(lastUsedAt)}`}
        </span>
      </td>
      <td className="whitespace-nowrap max-sm:hidden">{formatDayAndTime(createdAt)}</td>
      <td className="whitespace-nowrap max-sm:hidden">
        {lastUsedAt === null ? <span className="faint">never</span> : formatDayAndTime(lastUsedAt)}
      </td>
      <td className="n max-sm:whitespace-normal">
        {revokedAt === null ? (
          <>
            <button
              type="button"
              className="button quiet"
              aria-label={`Rotate ${label}`}
              onClick={() => onAsk({ to: "rotate", credential })}
            >
              Rotate
            </button>
            <button
              type="button"
              className="button quiet danger"
              aria-label={`Revoke ${label}`}
              onClick={() => onAsk({ to: "revoke", credential })}
            >
              Revoke
            </button>
          </>
        ) : (
          <span className="faint">revoked {formatDayAndTime(revokedAt)}</span>
        )}
      </td>
    </tr>
  );
}

interface AskProps {
  readonly asked: Asked;
  readonly onIssued: (issued: Issued) => void;
  readonly onDone: () => void;
}

function Ask({ asked: { to, credential }, onIssued, onDone }: AskProps) {
  const client = useQueryClient();
  const changing = useMutation({
    mutationFn: async () => {
      if (to === "revoke") return api.credentials.revoke.mutate({ id: credential.id });
      return onIssued({
        ...(await api.credentials.rotate.mutate({ id: credential.id })),
        because: "rotated",
      });
    },
    onSuccess: async () => {
      onDone();
      await client.invalidateQueries({ queryKey: ["credentials"] });
    },
  });
  const words = to === "rotate" ? rotateWords : revokeWords;
  return (
    <Confirm
      title={words.title(credential.label)}
      action={words.action}
      busy={changing.isPending}
      error={changing.error}
      onConfirm={() => changing.mutate()}
      onCancel={onDone}
    >
      {words.meaning}
    </Confirm>
  );
}

const rotateWords = {
  title: (label: string) => `Rotate “${label}”?`,
  meaning: "It gets another password. The old one stops working at once and its open connections end.",
  action: "Rotate",
};

const revokeWords = {
  title: (label: string) => `Revoke “${label}”?`,
  meaning: "It stops working at once, for good, and its open connections end. Its past usage stays counted.",
  action: "Revoke",
};
