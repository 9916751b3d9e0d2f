import { type Kysely, sql } from "kysely";
import { runStatements } from "./run-statements.ts";

/**
 * Plans, orders, invoices and the ledger. Money is in nano-units (10^-9) of its currency, as int8; a price per GB is
 * numeric. What concerns money outlives an account: its foreign keys restrict where those of settings cascade.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [...plans, ...payments, ...invoices, ...ledger]);
}

const plans = [
  sql`create table plans (
    id text primary key,
    code text not null,
    version integer not null check (version > 0),
    name text not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    interval text not null check (interval in ('none', 'month', 'year')),
    fee_nanos bigint not null default 0 check (fee_nanos >= 0),
    included_bytes bigint not null default 0 check (included_bytes >= 0),
    price_per_gb numeric(20, 9) not null check (price_per_gb >= 0),
    active boolean not null default true,
    created_at timestamptz not null default current_timestamp,
    unique (code, version)
  )`,
  sql`create table subscriptions (
    id uuid primary key default gen_random_uuid(),
    user_id text not null references "user" (id) on delete restrict,
    plan_id text not null references plans (id) on delete restrict,
    status text not null check (status in ('active', 'paused', 'past_due', 'ended')),
    anchor_at timestamptz not null,
    period_start timestamptz not null,
    period_end timestamptz not null,
    cancel_at timestamptz,
    created_at timestamptz not null default current_timestamp,
    check (period_end > period_start)
  )`,
  sql`create index subscriptions_user on subscriptions (user_id)`,
  sql`create index subscriptions_due on subscriptions (period_end) where status in ('active', 'past_due')`,
];

const payments = [
  sql`create table payment_methods (
    id uuid primary key default gen_random_uuid(),
    user_id text not null references "user" (id) on delete restrict,
    kind text not null check (kind in ('card', 'paypal', 'crypto', 'invoice')),
    processor text not null,
    processor_reference text not null,
    label text not null,
    expires_at timestamptz,
    is_default boolean not null default false,
    created_at timestamptz not null default current_timestamp,
    removed_at timestamptz,
    unique (processor, processor_reference)
  )`,
  sql`create unique index payment_methods_one_default on payment_methods (user_id)
      where is_default and removed_at is null`,
  sql`create index payment_methods_user on payment_methods (user_id)`,
  sql`create table orders (
    id uuid primary key default gen_random_uuid(),
    user_id text not null references "user" (id) on delete restrict,
    plan_id text references plans (id) on delete restrict,
    payment_method_id uuid references payment_methods (id) on delete restrict,
    status text not null check (status in ('created', 'authorised', 'captured', 'refunded', 'disputed', 'failed')),
    bytes bigint not null default 0 check (bytes >= 0),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    amount_nanos bigint not null check (amount_nanos >= 0),
    idempotency_key text not null,
    request_hash bytea not null,
    created_at timestamptz not null default current_timestamp,
    updated_at timestamptz not null default current_timestamp,
    unique (user_id, idempotency_key)
  )`,
];

const invoices = [
  // Invoice numbers have no gaps: this row is locked in the transaction that finalises the invoice.
  sql`create table invoice_counters (
    entity text primary key,
    last_number bigint not null default 0 check (last_number >= 0)
  )`,
  sql`create table invoices (
    id uuid primary key default gen_random_uuid(),
    user_id text not null references "user" (id) on delete restrict,
    entity text not null references invoice_counters (entity) on delete restrict,
    number bigint check (number > 0),
    status text not null check (status in ('draft', 'open', 'paid', 'void', 'uncollectible')),
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    total_nanos bigint not null default 0,
    period_start timestamptz,
    period_end timestamptz,
    finalised_at timestamptz,
    due_at timestamptz,
    created_at timestamptz not null default current_timestamp,
    unique (entity, number),
    check ((status = 'draft') = (number is null)),
    check ((number is null) = (finalised_at is null))
  )`,
  sql`create index invoices_user on invoices (user_id, created_at desc)`,
  sql`create table invoice_lines (
    id uuid primary key default gen_random_uuid(),
    invoice_id uuid not null references invoices (id) on delete restrict,
    position integer not null check (position >= 0),
    description text not null,
    plan_id text references plans (id) on delete restrict,
    quantity_bytes bigint check (quantity_bytes >= 0),
    price_per_gb numeric(20, 9),
    amount_nanos bigint not null,
    unique (invoice_id, position)
  )`,
];

const ledger = [
  sql`create table ledger_accounts (
    id text primary key,
    user_id text references "user" (id) on delete restrict,
    kind text not null check (kind in ('wallet', 'traffic', 'revenue', 'clearing', 'tax', 'bonus')),
    currency text not null check (currency ~ '^[A-Z]{3,5}$'),
    balance bigint not null default 0,
    minimum_balance bigint,
    created_at timestamptz not null default current_timestamp,
    check (balance >= minimum_balance)
  )`,
  sql`comment on column ledger_accounts.currency is 'ISO 4217 in nano-units, or BYTES in bytes'`,
  sql`create index ledger_accounts_user on ledger_accounts (user_id)`,
  sql`create table ledger_transactions (
    id uuid primary key default gen_random_uuid(),
    at timestamptz not null default current_timestamp,
    kind text not null,
    description text not null,
    reverses uuid unique references ledger_transactions (id) on delete restrict,
    idempotency_scope text not null,
    idempotency_key text not null,
    request_hash bytea not null,
    unique (idempotency_scope, idempotency_key)
  )`,
  sql`create table ledger_entries (
    id bigint generated always as identity primary key,
    transaction_id uuid not null references ledger_transactions (id) on delete restrict,
    account_id text not null references ledger_accounts (id) on delete restrict,
    amount bigint not null check (amount <> 0)
  )`,
  sql`comment on column ledger_entries.amount is 'debits are positive, credits negative'`,
  sql`create index ledger_entries_transaction on ledger_entries (transaction_id)`,
  sql`create index ledger_entries_account on ledger_entries (account_id, id)`,

  sql`create function ledger_apply_entry() returns trigger language plpgsql as $$
    begin
      update ledger_accounts set balance = balance + new.amount where id = new.account_id;
      return null;
    end $$`,
  sql`create trigger ledger_entries_apply after insert on ledger_entries
      for each row execute function ledger_apply_entry()`,

  // Checked at commit, because a transaction is out of balance between its first entry and its last.
  sql`create function ledger_check_transaction(checked uuid) returns void language plpgsql as $$
    begin
      if (select count(*) from ledger_entries where transaction_id = checked) < 2 then
        raise exception 'ledger transaction % has fewer than two entries', checked using errcode = 'check_violation';
      end if;
      if exists (
        select 1 from ledger_entries e join ledger_accounts a on a.id = e.account_id
        where e.transaction_id = checked group by a.currency having sum(e.amount) <> 0
      ) then
        raise exception 'ledger transaction % does not add up to zero', checked using errcode = 'check_violation';
      end if;
    end $$`,
  sql`create function ledger_check_entry() returns trigger language plpgsql as $$
    begin
      perform ledger_check_transaction(new.transaction_id);
      return null;
    end $$`,
  sql`create function ledger_check_header() returns trigger language plpgsql as $$
    begin
      perform ledger_check_transaction(new.id);
      return null;
    end $$`,
  sql`create constraint trigger ledger_entries_balanced after insert on ledger_entries
      deferrable initially deferred for each row execute function ledger_check_entry()`,
  sql`create constraint trigger ledger_transactions_balanced after insert on ledger_transactions
      deferrable initially deferred for each row execute function ledger_check_header()`,

  sql`create function refuse_change() returns trigger language plpgsql as $$
    begin
      raise exception '% is append-only', tg_table_name using errcode = 'restrict_violation';
    end $$`,
  sql`create trigger ledger_entries_append_only before update or delete or truncate on ledger_entries
      for each statement execute function refuse_change()`,
  sql`create trigger ledger_transactions_append_only before update or delete or truncate on ledger_transactions
      for each statement execute function refuse_change()`,
];

export async function down(db: Kysely<unknown>): Promise<void> {
  await runStatements(db, [
    sql`drop table ledger_entries`,
    sql`drop table ledger_transactions`,
    sql`drop table ledger_accounts`,
    sql`drop function ledger_check_entry`,
    sql`drop function ledger_check_header`,
    sql`drop function ledger_check_transaction`,
    sql`drop function ledger_apply_entry`,
    sql`drop function refuse_change`,
    sql`drop table invoice_lines`,
    sql`drop table invoices`,
    sql`drop table invoice_counters`,
    sql`drop table orders`,
    sql`drop table payment_methods`,
    sql`drop table subscriptions`,
    sql`drop table plans`,
  ]);
}
