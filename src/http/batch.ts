/** The rows of a batch, checked one by one: good ones are kept, bad ones are reported. */
import type { Payload } from "../domain/payload.ts";
import { keyDigest } from "./idempotency.ts";
import { batchErrorsMax, payloadBytesMax } from "./limits.ts";
import { readPayloadText } from "./payloadJson.ts";

/** One reason why a row was refused; `index` counts the rows of the request from 0. */
interface RowProblem {
  readonly index: number;
  readonly pointer: string;
  readonly detail: string;
}

export interface CheckedRows {
  /** How many there were. */
  readonly count: number;
  readonly payloads: Payload[];
  /** What the Idempotency-Key makes of each payload; undefined without one. */
  readonly keyDigests: string[] | undefined;
  readonly errors: RowProblem[];
  /** Problems found beyond the bound of the list. */
  omitted: number;
  /** True when a row was not JSON at all. */
  holdsNoJson: boolean;
}

/** Rows between two chances for other requests to run: about a millisecond's work. */
const rowsPerTurn = 500;

/** @param key the Idempotency-Key of the request. */
export async function checkRows(rows: readonly string[], key?: string): Promise<CheckedRows> {
  const checked: CheckedRows = {
    count: rows.length,
    payloads: [],
    keyDigests: key === undefined ? undefined : [],
    errors: [],
    omitted: 0,
    holdsNoJson: false,
  };
  for (let start = 0; start < rows.length; start += rowsPerTurn) {
    if (start > 0) await nextTurn();
    const end = Math.min(rows.length, start + rowsPerTurn);
    for (let index = start; index < end; index++) checkRow(rows[index] ?? "", index, key, checked);
  }
  return checked;
}

/** The body of the answer to a batch. `errorsOmitted` says that the list of errors was cut. */
export function batchAnswer(checked: CheckedRows): string {
  const accepted = checked.payloads.length;
  return JSON.stringify({
    accepted,
    rejected: checked.count - accepted,
    errors: checked.errors,
    ...(checked.omitted > 0 && { errorsOmitted: checked.omitted }),
  });
}

function checkRow(row: string, index: number, key: string | undefined, checked: CheckedRows): void {
  if (isTooLarge(row)) {
    refuse(checked, { index, pointer: "", detail: `is larger than ${payloadBytesMax} bytes` });
    return;
  }
  const check = readPayloadText(row);
  if (check === undefined) {
    checked.holdsNoJson = true;
    refuse(checked, { index, pointer: "", detail: "is not JSON" });
  } else if (check.ok) {
    checked.payloads.push(check.payload);
    if (key !== undefined) checked.keyDigests?.push(keyDigest(key, index, check.payload));
  } else {
    for (const problem of check.problems) refuse(checked, { index, ...problem });
  }
}

function refuse(checked: CheckedRows, problem: RowProblem): void {
  if (checked.errors.length < batchErrorsMax) checked.errors.push(problem);
  else checked.omitted++;
}

/** A UTF-16 unit takes at most three bytes of UTF-8, so short rows need no counting. */
function isTooLarge(row: string): boolean {
  return row.length * 3 > payloadBytesMax && Buffer.byteLength(row) > payloadBytesMax;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
