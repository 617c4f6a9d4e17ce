/**
 * Ingest: from a request to payloads in the log. The handlers are plain functions from request to
 * response that answer every failure themselves, so a server can call them with or without a
 * router. 202 is sent only after the log has acknowledged (invariant I1).
 */
import type { AppendWaiter, PayloadLog } from "../actors/ports.ts";
import { parseJson } from "../domain/json.ts";
import { formatReceipt, type Receipt } from "../domain/receipt.ts";
import type { Log } from "../log.ts";
import { Admission, type AdmissionLimits, type Share } from "./admission.ts";
import { batchAnswer, type CheckedRows, checkRows } from "./batch.ts";
import { arrayRows, lineRows } from "./batchRows.ts";
import { type BodyPlan, decodeLines, decodeText, planBody, readBody } from "./body.ts";
import { idempotencyKey, keyDigest } from "./idempotency.ts";
import {
  failureProblem,
  invalidPayload,
  notJson,
  overloaded,
  unsupportedType,
} from "./ingestProblems.ts";
import {
  batchBytesMax,
  batchesInFlight,
  batchRowsMax,
  payloadBytesMax,
  singlesInFlight,
} from "./limits.ts";
import { type MediaKind, mediaKind } from "./mediaType.ts";
import { readPayloadText } from "./payloadJson.ts";
import { Problem, type ProblemKind, problemResponse } from "./problem.ts";

/** Counts what ingest answered; a refused payload changes nothing else (invariant I3). */
interface IngestCounters {
  /** Payloads answered 202. */
  accepted(payloads: number): void;
  /** A refused request, or the refused rows of a batch that was otherwise accepted. */
  refused(reason: ProblemKind | "invalid-row", count: number): void;
}

export interface IngestDependencies {
  readonly payloadLog: PayloadLog;
  readonly counters: IngestCounters;
  readonly log: Log;
  readonly singlesInFlight?: AdmissionLimits;
  readonly batchesInFlight?: AdmissionLimits;
}

/** The handlers of `POST /stats` and `POST /stats/batch`; their promises never reject. */
export interface IngestHandlers {
  single(request: Request): Response | Promise<Response>;
  batch(request: Request): Promise<Response>;
}

/** What differs between the two routes before a body is read. */
interface Door {
  readonly media: ReadonlySet<MediaKind>;
  readonly types: string;
  readonly bytesMax: number;
  readonly admission: Admission;
}

/** A request whose headers are good and for which room was found. */
interface Admitted {
  readonly media: MediaKind;
  readonly key: string | undefined;
  readonly plan: BodyPlan;
  readonly share: Share;
}

const acceptedHeaders = new Headers({ "content-type": "application/json" });

/** One object a thread that serves: it bounds what all requests to it hold in memory. */
export function createIngest(dependencies: IngestDependencies): IngestHandlers {
  return { single: singleHandler(dependencies), batch: batchHandler(dependencies) };
}

// This is the hottest path there is, and thousands of requests wait at a time. So what waits is a
// promise and an object, and not an async function with all that it holds: memory that is taken up
// anew for each request is what costs the most here.
function singleHandler(dependencies: IngestDependencies): IngestHandlers["single"] {
  const { payloadLog, counters } = dependencies;
  const door: Door = {
    media: new Set(["json", "text"]),
    types: "application/json or text/plain",
    bytesMax: payloadBytesMax,
    admission: new Admission(dependencies.singlesInFlight ?? singlesInFlight),
  };

  function take(text: string | Problem, key: string | undefined, waiting: WaitingSingle) {
    try {
      if (text instanceof Problem) return waiting.refused(text);
      const check = readPayloadText(text);
      if (check === undefined) return waiting.refused(notJson());
      if (!check.ok) return waiting.refused(invalidPayload(check.problems));
      const { payload } = check;
      const digest = key === undefined ? undefined : keyDigest(key, 0, payload);
      payloadLog.appendOne(payload, digest, waiting);
    } catch (error) {
      waiting.failed(() => error);
    }
  }

  return (request) => {
    const admitted = admit(request, door);
    if (admitted instanceof Problem) return refuse(counters, admitted);
    return new Promise((answer) => {
      const { key, plan, share } = admitted;
      const waiting = new WaitingSingle(dependencies, share, answer);
      readBody(request, plan, share).then(
        (text) => take(text, key, waiting),
        (error: unknown) => waiting.failed(() => error),
      );
    });
  };
}

/** Answers a request with one payload when its fate is known. */
class WaitingSingle implements AppendWaiter {
  constructor(
    private readonly dependencies: IngestDependencies,
    private readonly share: Share,
    private readonly answer: (response: Response) => void,
  ) {}

  stored(receipt: Receipt): void {
    this.dependencies.counters.accepted(1);
    this.#end(accepted(`{"receipt":"${formatReceipt(receipt)}"}`));
  }

  failed(error: () => unknown): void {
    this.refused(failureProblem(this.dependencies.log, error()));
  }

  refused(problem: Problem): void {
    this.#end(refuse(this.dependencies.counters, problem));
  }

  #end(response: Response): void {
    this.share.leave();
    this.answer(response);
  }
}

function batchHandler(dependencies: IngestDependencies): IngestHandlers["batch"] {
  const { payloadLog, counters, log } = dependencies;
  const door: Door = {
    media: new Set(["json", "text", "lines"]),
    types: "application/x-ndjson, application/json or text/plain",
    bytesMax: batchBytesMax,
    admission: new Admission(dependencies.batchesInFlight ?? batchesInFlight),
  };

  async function store(text: string, admitted: Admitted): Promise<Response | Problem> {
    const checked = await readRows(text, admitted);
    if (checked instanceof Problem) return checked;
    const { count, payloads, keyDigests } = checked;
    if (payloads.length > 0) {
      await payloadLog.append(payloads, keyDigests);
      counters.accepted(payloads.length);
    }
    const rejected = count - payloads.length;
    if (rejected > 0) counters.refused("invalid-row", rejected);
    return accepted(batchAnswer(checked));
  }

  return async (request) => {
    const admitted = admit(request, door);
    if (admitted instanceof Problem) return refuse(counters, admitted);
    const { plan, share, media } = admitted;
    try {
      const decode = media === "lines" ? decodeLines : decodeText;
      const text = await readBody(request, plan, share, decode);
      const outcome = text instanceof Problem ? text : await store(text, admitted);
      return outcome instanceof Problem ? refuse(counters, outcome) : outcome;
    } catch (error) {
      return refuse(counters, failureProblem(log, error));
    } finally {
      share.leave();
    }
  };
}

/**
 * The rows of a batch: of an array or of lines, as the text shows, whatever its type says. A type
 * is held to in two things: what is declared as JSON is no single other value, and not lines of
 * which none is good; and of declared lines good ones are taken whatever the others look like. What
 * begins like an array and is none is lines, too, when its first line is a value of its own and one
 * of them is good.
 */
async function readRows(text: string, { media, key }: Admitted): Promise<CheckedRows | Problem> {
  const array = arrayRows(text, batchRowsMax);
  if (array.kind === "tooMany") return tooManyRows();
  if (array.kind === "rows") {
    const checked = await checkRows(array.rows, key);
    if (!checked.holdsNoJson) return checked;
  }
  if (media === "json" && array.kind === "notAnArray" && parseJson(text) !== undefined) {
    return invalidPayload([{ pointer: "", detail: "must be a JSON array" }]);
  }
  const lines = lineRows(text, batchRowsMax);
  if (lines.kind !== "rows") return tooManyRows();
  const isTornArray = array.kind !== "notAnArray" && parseJson(lines.rows[0] ?? "") === undefined;
  if (isTornArray && media !== "lines") return notJson();
  const checked = await checkRows(lines.rows, key);
  const mayBeAllBad = media === "lines" || (media === "text" && array.kind === "notAnArray");
  return mayBeAllBad || checked.payloads.length > 0 ? checked : notJson();
}

function tooManyRows(): Problem {
  return new Problem("too-large", `A batch may hold at most ${batchRowsMax} payloads.`);
}

/** Checks the headers and finds room; who gets in has to leave again. */
function admit(request: Request, door: Door): Admitted | Problem {
  const { headers } = request;
  const media = mediaKind(headers.get("content-type"));
  if (media === undefined || !door.media.has(media)) return unsupportedType(door.types);
  const key = idempotencyKey(headers);
  if (key instanceof Problem) return key;
  const plan = planBody(headers, door.bytesMax);
  if (plan instanceof Problem) return plan;
  const share =
    plan.kind === "whole" ? door.admission.enter(plan.length) : door.admission.enter(0, true);
  return share === undefined ? overloaded() : { media, key, plan, share };
}

function refuse(counters: IngestCounters, problem: Problem): Response {
  counters.refused(problem.kind, 1);
  return problemResponse(problem);
}

function accepted(body: string): Response {
  return new Response(body, { status: 202, headers: acceptedHeaders });
}
