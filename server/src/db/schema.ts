import type { ColumnType, Generated, JSONColumnType } from "kysely";

/**
 * The rows as Kysely sees them. On PGlite and on Postgres alike int8 is bigint, numeric is decimal text,
 * timestamptz is Date, jsonb is what it parses to and bytea is a Uint8Array (see open.ts).
 */
export interface Schema {
  user: UserTable;
  session: SessionTable;
  account: AccountTable;
  verification: VerificationTable;
  twoFactor: TwoFactorTable;
  proxy_credentials: ProxyCredentialTable;
  proxy_locations: ProxyLocationTable;
  proxy_connections: ProxyConnectionTable;
  usage_events: UsageEventTable;
  receipt_chains: ReceiptChainTable;
  pruned_usage: PrunedUsageTable;
  reconciliations: ReconciliationTable;
  usage_gateways: UsageGatewayTable;
  proxy_usage: ProxyUsageTable;
  traffic_balances: TrafficBalanceTable;
  traffic_leases: TrafficLeaseTable;
  lease_holders: LeaseHolderTable;
  gateways: GatewayTable;
  exit_sessions: ExitSessionTable;
  proxy_configurations: ProxyConfigurationTable;
  session_settings: SessionSettingsTable;
  custom_headers: CustomHeaderTable;
  throttling_settings: ThrottlingSettingsTable;
  target_rules: TargetRulesTable;
  proxy_authentication: ProxyAuthenticationTable;
  notification_settings: NotificationSettingsTable;
  plans: PlanTable;
  subscriptions: SubscriptionTable;
  payment_methods: PaymentMethodTable;
  orders: OrderTable;
  invoice_counters: InvoiceCounterTable;
  invoices: InvoiceTable;
  invoice_lines: InvoiceLineTable;
  ledger_accounts: LedgerAccountTable;
  ledger_transactions: LedgerTransactionTable;
  ledger_entries: LedgerEntryTable;
  connection_logs: ConnectionLogTable;
  audit_log: AuditLogTable;
}

/** A moment that the database sets when it is left out. */
type Stamp = ColumnType<Date, Date | undefined, Date>;

/** A count that is 0 when it is left out. */
type Count = ColumnType<bigint, bigint | undefined, bigint>;

/** The protocol a client spoke to the gateway. */
export type ProxyProtocol = "http" | "connect" | "socks5";

interface UserTable {
  id: string;
  name: string;
  email: string;
  emailVerified: Generated<boolean>;
  image: string | null;
  createdAt: Stamp;
  updatedAt: Stamp;
  twoFactorEnabled: ColumnType<boolean | null, boolean | null | undefined, boolean | null>;
}

interface SessionTable {
  id: string;
  expiresAt: Date;
  token: string;
  createdAt: Stamp;
  updatedAt: Stamp;
  ipAddress: string | null;
  userAgent: string | null;
  userId: string;
}

interface AccountTable {
  id: string;
  accountId: string;
  providerId: string;
  userId: string;
  accessToken: string | null;
  refreshToken: string | null;
  idToken: string | null;
  accessTokenExpiresAt: Date | null;
  refreshTokenExpiresAt: Date | null;
  scope: string | null;
  password: string | null;
  createdAt: Stamp;
  updatedAt: Stamp;
}

interface VerificationTable {
  id: string;
  identifier: string;
  value: string;
  expiresAt: Date;
  createdAt: Stamp;
  updatedAt: Stamp;
}

interface TwoFactorTable {
  id: string;
  secret: string;
  backupCodes: string;
  userId: string;
  verified: boolean | null;
  failedVerificationCount: number | null;
  lockedUntil: Date | null;
}

interface ProxyCredentialTable {
  id: string;
  user_id: string;
  username: string;
  password_hmac: Uint8Array;
  label: string;
  created_at: Stamp;
  last_used_at: Date | null;
  revoked_at: Date | null;
}

interface ProxyLocationTable {
  id: string;
  country: string;
  region: string | null;
  city: string | null;
  label: string;
  network: "residential" | "datacenter" | "mobile" | "demonstration";
  servers: Generated<number>;
  /** Milliseconds. */
  latency: number | null;
  /** The share of checks that succeeded, 0 to 1. */
  uptime: number | null;
  updated_at: Stamp;
}

interface ProxyConnectionTable {
  id: string;
  user_id: string;
  credential_id: string;
  gateway_id: string;
  client: string;
  protocol: ProxyProtocol;
  target_host: string;
  target_port: number;
  exit_country: string | null;
  exit_city: string | null;
  exit_label: string | null;
  exit_address: string | null;
  upstream: string | null;
  opened_at: Date;
  closed_at: Date | null;
  outcome: string | null;
  /** Absolute totals: of the first usage event while it is open, of the last one once it is closed. */
  sent_bytes: Count;
  received_bytes: Count;
  requests: Count;
  /** Of the last event, once it is closed; 0 where one event was all of it: no event is stored then, this row is it. */
  last_seq: Generated<number>;
  /** Counted and not charged: of attempts that failed by our or the upstream's fault. */
  uncharged_sent_bytes: Count;
  uncharged_received_bytes: Count;
  /** What the client's TLS leg had on the wire beyond the payload. */
  tls_bytes: Count;
  /** Exits tried in vain before the one named here, `[{upstream, error}]`; null when there was none. */
  failed_attempts: JSONColumnType<
    { upstream: string; error: string }[] | null,
    string | null | undefined,
    string | null
  >;
  /** From 1, without gaps, of the credential; null while it is open. */
  receipt_number: bigint | null;
  receipt_hash: Uint8Array | null;
}

/** Absolute totals of a connection at one moment; its permanent id is its connection's with its number. */
interface UsageEventTable {
  connection_id: string;
  seq: number;
  sent_bytes_total: bigint;
  received_bytes_total: bigint;
  requests_total: bigint;
  uncharged_sent_bytes_total: Count;
  uncharged_received_bytes_total: Count;
  tls_bytes_total: Count;
  at: Date;
}

/** Locked by whoever writes usage of a gateway. */
interface UsageGatewayTable {
  id: string;
  /** Rises when connections of the gateway are closed as lost. */
  epoch: Count;
}

/** What usage events came to that are kept no more. */
interface PrunedUsageTable {
  user_id: string;
  hour: Date;
  sent_bytes: Count;
  received_bytes: Count;
  requests: Count;
  uncharged_bytes: Count;
  tls_bytes: Count;
}

/** What a nightly comparison of all books found. */
interface ReconciliationTable {
  id: Generated<bigint>;
  at: Date;
  checked_from: Date;
  receipts: number;
  difference_count: number;
  difference_bytes: bigint;
  differences: JSONColumnType<object[], string, string>;
  providers: JSONColumnType<object[], string, string>;
}

/** The head of a credential's chain of receipts. */
interface ReceiptChainTable {
  credential_id: string;
  last_number: Count;
  last_hash: ColumnType<Uint8Array, Uint8Array | undefined, Uint8Array>;
}

interface ProxyUsageTable {
  user_id: string;
  credential_id: string;
  /** The start of an hour, UTC. */
  hour: Date;
  /** '' where no exit was chosen. */
  exit_country: Generated<string>;
  protocol: ProxyProtocol;
  sent_bytes: Count;
  received_bytes: Count;
  requests: Count;
  failed: Count;
  uncharged_sent_bytes: Count;
  uncharged_received_bytes: Count;
  tls_bytes: Count;
}

interface TrafficBalanceTable {
  user_id: string;
  allowance_bytes: Count;
  used_bytes: Count;
  /** Ever, over all months. */
  charged_bytes: Count;
  /** What gateways have put aside: the sum of the account's leases. */
  reserved_bytes: Count;
  /** By how much more was used and reserved than is allowed; the database keeps it. */
  overrun_bytes: ColumnType<bigint, never, never>;
  resets_at: Date | null;
  updated_at: Stamp;
}

/** What one gateway has put aside of one balance and has neither settled nor given back. */
interface TrafficLeaseTable {
  user_id: string;
  gateway_id: string;
  bytes: bigint;
}

/** A gateway that holds leases. */
interface LeaseHolderTable {
  gateway_id: string;
  /** Renewed while it lives; after it, its leases go back. */
  expires_at: Date;
}

/** One run of a gateway. */
interface GatewayTable {
  id: string;
  started_at: Stamp;
  /** Renewed every few seconds while it lives. */
  seen_at: Stamp;
}

/** What the processes of a gateway agree on about a sticky session. */
interface ExitSessionTable {
  /** A hash of credential, id and exit. */
  name: string;
  number: number;
  expires_at: Date;
  lost: Generated<boolean>;
  upstream: string | null;
  /** When anything but its beginning was last written. */
  changed_at: Date | null;
}

interface ProxyConfigurationTable {
  id: Generated<string>;
  user_id: string;
  name: string;
  protocol: "http" | "https" | "socks5";
  isp_tier: string | null;
  locations: JSONColumnType<unknown[], string | undefined, string>;
  created_at: Stamp;
  updated_at: Stamp;
}

interface SessionSettingsTable {
  user_id: string;
  enabled: Generated<boolean>;
  /** Minutes. */
  session_duration: Generated<number>;
  ip_stickiness: Generated<"flex" | "strict" | "oneip">;
  updated_at: Stamp;
}

interface CustomHeaderTable {
  id: Generated<string>;
  user_id: string;
  /** null: for all credentials of the account. */
  credential_id: string | null;
  name: string;
  value: string;
  enabled: Generated<boolean>;
  position: Generated<number>;
  created_at: Stamp;
}

/** null: as the account, and there no limit; 0: no limit although the account has one. */
interface ThrottlingSettingsTable {
  id: Generated<string>;
  user_id: string;
  /** null: the account's default. */
  credential_id: string | null;
  requests_per_second: number | null;
  /** Bytes per second, both directions together. */
  bandwidth_limit: bigint | null;
  /** Open at once. */
  connections: number | null;
  updated_at: Stamp;
}

/** Which ports and targets may be reached; see gateway/limits/target-policy.ts for how they are written. */
interface TargetRulesTable {
  id: Generated<string>;
  user_id: string;
  /** null: the account's default. */
  credential_id: string | null;
  allowed_ports: JSONColumnType<string[] | null, string | null | undefined, string | null>;
  allowed_targets: JSONColumnType<string[] | null, string | null | undefined, string | null>;
  blocked_targets: JSONColumnType<string[], string | undefined, string>;
  updated_at: Stamp;
}

interface ProxyAuthenticationTable {
  id: Generated<string>;
  user_id: string;
  username: string;
  auth_method: "password" | "address" | "password_and_address";
  allowed_addresses: JSONColumnType<string[], string | undefined, string>;
  created_at: Stamp;
  updated_at: Stamp;
}

interface NotificationSettingsTable {
  user_id: string;
  email: JSONColumnType<Record<string, unknown>, string | undefined, string>;
  push: JSONColumnType<Record<string, unknown>, string | undefined, string>;
  updated_at: Stamp;
}

interface PlanTable {
  id: string;
  code: string;
  version: number;
  name: string;
  currency: string;
  interval: "none" | "month" | "year";
  fee_nanos: Count;
  included_bytes: Count;
  /** Decimal text, per 10^9 bytes. */
  price_per_gb: string;
  active: Generated<boolean>;
  created_at: Stamp;
}

interface SubscriptionTable {
  id: Generated<string>;
  user_id: string;
  plan_id: string;
  status: "active" | "paused" | "past_due" | "ended";
  anchor_at: Date;
  period_start: Date;
  period_end: Date;
  cancel_at: Date | null;
  created_at: Stamp;
}

interface PaymentMethodTable {
  id: Generated<string>;
  user_id: string;
  kind: "card" | "paypal" | "crypto" | "invoice";
  processor: string;
  processor_reference: string;
  label: string;
  expires_at: Date | null;
  is_default: Generated<boolean>;
  created_at: Stamp;
  removed_at: Date | null;
}

interface OrderTable {
  id: Generated<string>;
  user_id: string;
  plan_id: string | null;
  payment_method_id: string | null;
  status: "created" | "authorised" | "captured" | "refunded" | "disputed" | "failed";
  bytes: Count;
  currency: string;
  amount_nanos: bigint;
  idempotency_key: string;
  request_hash: Uint8Array;
  created_at: Stamp;
  updated_at: Stamp;
}

interface InvoiceCounterTable {
  entity: string;
  last_number: Count;
}

interface InvoiceTable {
  id: Generated<string>;
  user_id: string;
  entity: string;
  number: bigint | null;
  status: "draft" | "open" | "paid" | "void" | "uncollectible";
  currency: string;
  total_nanos: Count;
  period_start: Date | null;
  period_end: Date | null;
  finalised_at: Date | null;
  due_at: Date | null;
  created_at: Stamp;
}

interface InvoiceLineTable {
  id: Generated<string>;
  invoice_id: string;
  position: number;
  description: string;
  plan_id: string | null;
  quantity_bytes: bigint | null;
  price_per_gb: string | null;
  amount_nanos: bigint;
}

interface LedgerAccountTable {
  id: string;
  user_id: string | null;
  kind: "wallet" | "traffic" | "revenue" | "clearing" | "tax" | "bonus";
  currency: string;
  /** The sum of the account's entries; the database keeps it. */
  balance: ColumnType<bigint, never, never>;
  minimum_balance: bigint | null;
  created_at: Stamp;
}

interface LedgerTransactionTable {
  id: Generated<string>;
  at: Stamp;
  kind: string;
  description: string;
  reverses: string | null;
  idempotency_scope: string;
  idempotency_key: string;
  request_hash: Uint8Array;
}

interface LedgerEntryTable {
  id: ColumnType<bigint, never, never>;
  transaction_id: string;
  account_id: string;
  /** Debits are positive, credits negative. */
  amount: bigint;
}

interface ConnectionLogTable {
  id: ColumnType<bigint, never, never>;
  user_id: string;
  connection_id: string | null;
  at: Stamp;
  level: "info" | "warning" | "error";
  event: string;
  details: JSONColumnType<Record<string, unknown>, string | undefined, string>;
}

interface AuditLogTable {
  id: ColumnType<bigint, never, never>;
  at: Date;
  user_id: string | null;
  actor: string;
  action: string;
  subject: string | null;
  address: string | null;
  user_agent: string | null;
  request_id: string | null;
  details: JSONColumnType<Record<string, unknown>, string | undefined, never>;
  previous_hash: Uint8Array | null;
  hash: Uint8Array;
}
