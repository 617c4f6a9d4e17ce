/** Asks before what cannot be undone. */
import { createInterface } from "node:readline/promises";
import { CliFailure } from "./failure.ts";

/** @throws CliFailure when the answer is no, or when nobody is there to answer. */
export async function confirm(consequence: string, yes: boolean): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY) {
    throw new CliFailure(`${consequence} Add --yes to do it.`, 2);
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question(`${consequence} Go on? [y/N] `);
    if (!/^y(es)?$/i.test(answer.trim())) throw new CliFailure("nothing was done");
  } finally {
    lines.close();
  }
}
