import { CustomHeaders } from "./CustomHeaders.tsx";
import { LimitsForm } from "./LimitsForm.tsx";
import { SessionDefaults } from "./SessionDefaults.tsx";

/** What holds for every credential of the account. */
export default function Limits() {
  return (
    <>
      <title>Limits · Atlantic Proxy</title>
      <h1>Limits</h1>
      <LimitsForm credentialId={null} />
      <SessionDefaults />
      <CustomHeaders credentialId={null} />
    </>
  );
}
