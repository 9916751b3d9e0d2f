import { CompiledQuery, type Kysely } from "kysely";
import type { Schema } from "./schema.ts";

/** A value as the wire carries it: text, or bytes in the type's binary form (see binary-arrays.ts). */
export type WireValue = string | Uint8Array | null;

/** A statement whose text never changes: only its values do, so that a connection prepares it once. */
export interface Statement<Row = unknown> {
  readonly name: string;
  readonly text: string;
  readonly values: readonly WireValue[];
  /** What its rows are; never set. */
  readonly row?: Row;
}

const prepared = new WeakMap<TemplateStringsArray, { readonly name: string; readonly text: string }>();
let count = 0;

/** Writes a statement; what is filled in are its parameters, each with a cast. Nothing else can be filled in. */
export function statement<Row = unknown>(
  parts: TemplateStringsArray,
  ...values: readonly (string | number | bigint | Uint8Array | null)[]
): Statement<Row> {
  let known = prepared.get(parts);
  if (known === undefined) {
    count += 1;
    const text = parts.reduce((before, part, index) => `${before}$${index}${part}`);
    known = { name: `atlantic_${count}`, text };
    prepared.set(parts, known);
  }
  return { ...known, values: values.map(onTheWire) };
}

function onTheWire(value: string | number | bigint | Uint8Array | null): WireValue {
  return typeof value === "number" || typeof value === "bigint" ? String(value) : value;
}

/** Statements that a connection is sent together, and answers together. */
export class StatementBatch {
  readonly statements: readonly Statement[];
  /** Whether the transaction ends with them. */
  readonly thenCommit: boolean;

  constructor(statements: readonly Statement[], thenCommit: boolean) {
    this.statements = statements;
    this.thenCommit = thenCommit;
  }
}

/** What begins and ends a transaction, to be sent with the batches in it. */
export const BEGIN: Statement = statement`begin`;
export const COMMIT: Statement = statement`commit`;

/** The rows of each of the statements. */
type RowsOf<Statements extends readonly Statement[]> = {
  readonly [Index in keyof Statements]: Statements[Index] extends Statement<infer Row>
    ? readonly Row[]
    : never;
};

/**
 * Runs statements one after the other in one exchange with the database: what costs the most of a small statement is
 * sending it and waking up for its answer. None runs
 * after one that fails, and outside of a transaction they are one of their own.
 *
 * @param thenCommit they are the last of their transaction, which is committed with them: nothing may come after
 * @throws the error of the first that fails
 */
export async function runTogether<const Statements extends readonly Statement[]>(
  transaction: Kysely<Schema>,
  statements: Statements,
  { thenCommit = false } = {},
): Promise<RowsOf<Statements>> {
  // Kysely hands the text on as it is to the driver, and both of ours know a batch when they see one.
  const text = new StatementBatch(statements, thenCommit) as unknown as string;
  const { rows } = await transaction.executeQuery<unknown>({ ...CompiledQuery.raw(""), sql: text });
  return rows as unknown as RowsOf<Statements>;
}
