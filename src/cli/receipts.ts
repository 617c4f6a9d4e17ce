/** Receipts as arguments. */
import { InvalidArgumentError } from "commander";
import { parsePlace, parseReceipt } from "../domain/receipt.ts";

/** The receipt of a payload. */
export function receipt(text: string): string {
  if (parseReceipt(text) !== undefined) return text;
  throw new InvalidArgumentError("It must be like 7.1042.3.");
}

/** The place of a payload or a message in quarantine. */
export function place(text: string): string {
  if (parsePlace(text) !== undefined) return text;
  throw new InvalidArgumentError("It must be like 7.1042.3, or 7.1042 for a message.");
}
