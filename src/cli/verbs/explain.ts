import type { Command } from "commander";
import { isObject, type JsonObject } from "../../domain/json.ts";
import { CliFailure } from "../failure.ts";
import { objectsIn } from "../json.ts";
import type { Column } from "../output.ts";
import { receipt as receiptText } from "../receipts.ts";
import { time as timeMs } from "../times.ts";
import { contextOf, count, example, ordinal } from "../verb.ts";

interface ExplainOptions {
  readonly time: number;
  readonly customer: string;
  readonly content: string;
  readonly limit?: number;
  readonly offset?: number;
  readonly tokens?: boolean;
}

const payloadColumns: readonly Column[] = [
  ["RECEIPT", "receipt"],
  ["RECEIVED", "receivedAt"],
  ["TOKEN", "token"],
  ["CDN", "cdn"],
  ["P2P", "p2p"],
  ["DURATION", "sessionDuration"],
  ["OUTCOME", "outcome"],
  ["STARTS SESSION", "startsSession"],
];

const differenceColumns: readonly Column[] = [
  ["WHAT", "what"],
  ["FIELD", "field"],
  ["RECORDED", "recorded"],
  ["EXPECTED", "expected"],
];

export function addExplainVerbs(program: Command): void {
  program
    .command("explain")
    .description("from a row of stats to its event and its payloads, added up again")
    .requiredOption("--time <time>", "the row's time: the end of its window", timeMs)
    .requiredOption("--customer <name>", "exactly this customer")
    .requiredOption("--content <name>", "exactly this content")
    .option("--limit <number>", "payloads to list at most", ordinal)
    .option("--offset <number>", "leave out so many", count)
    .option("--tokens", "show tokens, not digests of them")
    .addHelpText(
      "after",
      example("explain --time 2026-01-31T10:10:00Z --customer Customer1 --content channel1"),
    )
    .action(async (options: ExplainOptions, command: Command) => {
      const { client, out } = contextOf(command);
      const { time, customer, content, limit, offset } = options;
      const tokens = options.tokens === true ? "shown" : undefined;
      const query = { time, customer, content, limit, offset, tokens };
      const body = await client.get("/admin/explain", query);
      out.either(body, () => {
        const differences = objectsIn(body, "differences");
        out.record(explanation(body));
        if (differences.length > 0) out.rows(body, differences, differenceColumns);
        out.rows(body, objectsIn(body, "payloads"), payloadColumns);
      });
      if (body.agrees !== true) throw new CliFailure("event, rows and payloads do not agree");
    });
  program
    .command("receipt")
    .description("what became of one payload")
    .argument("<receipt>", "as the device got it", receiptText)
    .addHelpText("after", example("receipt 7.1042.3"))
    .action(async (receipt: string, _options: unknown, command: Command) => {
      const { client, out } = contextOf(command);
      const body = await client.get(`/admin/receipts/${encodeURIComponent(receipt)}`);
      const { event, candidates: _, ...rest } = body;
      out.either(body, () => {
        out.record({ ...rest, ...eventFields(event) });
        const candidates = objectsIn(body, "candidates");
        if (candidates.length > 0) out.rows(body, candidates, candidateColumns);
      });
      if (isObject(event)) out.note(`its row: ${explainLine(body)}`);
    });
}

/** The command that explains the row that a payload is counted in. */
function explainLine({ windowEnd, customer, content }: JsonObject): string {
  const [time, ...names] = [windowEnd, customer, content].map((one) => shellWord(String(one)));
  return `payload-stats explain --time ${time} --customer=${names[0]} --content=${names[1]}`;
}

function shellWord(text: string): string {
  return /^[\w.:-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

const candidateColumns: readonly Column[] = [
  ["PARTITION", "partition"],
  ["POSITION", "position"],
  ["CUSTOMER", "customer"],
  ["CONTENT", "content"],
  ["WINDOW END", "windowEnd"],
];

/** The parts of an explanation, one a line. */
function explanation(body: JsonObject): JsonObject {
  const { state, row, event, sealedAfterMs, basis, replayed, agrees, payloadsTotal } = body;
  const { sessionMemory } = body;
  return {
    state,
    agrees,
    row,
    ...eventFields(event),
    sealedAfterMs,
    replayed,
    payloadsTotal,
    sessionMemory,
    basis,
  };
}

function eventFields(event: unknown): JsonObject {
  if (!isObject(event)) return { event: null };
  const { partition, position, sealedBy, epoch, recordedAt, data } = event;
  return { partition, position, sealedBy, epoch, recordedAt, data };
}
