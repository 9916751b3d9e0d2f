import type { Kysely } from "kysely";
import type { Schema } from "../db/schema.ts";
import { ReceiptKey } from "../metering/receipt-key.ts";
import { AccountService } from "./account.ts";
import { AddressService } from "./addresses.ts";
import { AuditLog } from "./audit-log.ts";
import { ConnectionService } from "./connections.ts";
import { CredentialService } from "./credentials.ts";
import { CustomHeaderService } from "./custom-headers.ts";
import { ExitService } from "./exits.ts";
import { ExplainService, type UpstreamExplainer } from "./explain.ts";
import { LimitsService } from "./limits.ts";
import type { LiveGateway } from "./live-gateway.ts";
import { type GatewayAddress, ProxyService } from "./proxy.ts";
import { ReceiptService } from "./receipts.ts";
import { SessionSettingsService } from "./session-settings.ts";
import { UsageService } from "./usage.ts";

/** Every service of the product. They know no HTTP. */
export interface Services {
  readonly account: AccountService;
  readonly credentials: CredentialService;
  readonly limits: LimitsService;
  readonly addresses: AddressService;
  readonly customHeaders: CustomHeaderService;
  readonly sessionSettings: SessionSettingsService;
  readonly exits: ExitService;
  readonly explain: ExplainService;
  readonly proxy: ProxyService;
  readonly connections: ConnectionService;
  readonly usage: UsageService;
  readonly receipts: ReceiptService;
}

/** Builds the services on a database and a gateway. */
export function createServices(parts: {
  db: Kysely<Schema>;
  credentialKey: Uint8Array;
  gateway: LiveGateway;
  gatewayAddress: () => GatewayAddress;
  now: () => Date;
  /** What the configured upstreams would be asked. Default: there are none. */
  explainUpstreams?: UpstreamExplainer;
  /** What ready-made lines ask for. Default: a public site. */
  trialSite?: string;
}): Services {
  const { db, gateway, now } = parts;
  const audit = new AuditLog();
  const connections = new ConnectionService({ db });
  return {
    account: new AccountService({ db }),
    credentials: new CredentialService({ db, key: parts.credentialKey, gateway, audit }),
    limits: new LimitsService({ db, audit }),
    addresses: new AddressService({ db, audit }),
    customHeaders: new CustomHeaderService({ db, audit }),
    sessionSettings: new SessionSettingsService({ db, audit }),
    exits: new ExitService({ db }),
    explain: new ExplainService({ db, gateway, upstreams: parts.explainUpstreams ?? (() => []), now }),
    proxy: new ProxyService({
      db,
      gateway,
      address: parts.gatewayAddress,
      trialSite: parts.trialSite ?? "https://example.com/",
      connections,
      audit,
    }),
    connections,
    usage: new UsageService({ db, gateway, now }),
    receipts: new ReceiptService({ db, key: new ReceiptKey(parts.credentialKey), now }),
  };
}
