/** The broker's answers to a publish, told apart. */
import type { Msg } from "nats";
import { isObject, type JsonObject, parseJson } from "../domain/json.ts";
import { isFullCode } from "./apiError.ts";

type PublishAnswer =
  | { readonly kind: "stored"; readonly sequence: number }
  /** The stream takes no more; trying again now would not help. */
  | { readonly kind: "full"; readonly error: Error }
  /** Nobody took the message, or not yet; it may be sent again. `absent`: there is no stream. */
  | { readonly kind: "retry"; readonly error: Error; readonly absent?: boolean };

/** Reads an answer. One that cannot be understood counts as none: the message is sent again. */
export function readPublishAnswer(msg: Msg, stream: string): PublishAnswer {
  if (msg.data.length === 0) {
    const status = msg.headers?.status ?? "empty answer";
    const error = new Error(`no stream takes the message: ${status}`);
    return { kind: "retry", error, absent: true };
  }
  const answer = parse(msg);
  if (answer === undefined) return { kind: "retry", error: new Error("unreadable answer") };
  if (isObject(answer.error)) {
    const { err_code, description } = answer.error;
    const error = new Error(`JetStream: ${String(description)} (${String(err_code)})`);
    const full = typeof err_code === "number" && isFullCode(err_code);
    return { kind: full ? "full" : "retry", error };
  }
  const { seq } = answer;
  if (answer.stream !== stream || typeof seq !== "number" || !Number.isSafeInteger(seq)) {
    return { kind: "retry", error: new Error("the answer is not from the partition's stream") };
  }
  // A cluster may answer a repeat before the first one has its sequence.
  if (seq < 1) return { kind: "retry", error: new Error("the message has no sequence yet") };
  return { kind: "stored", sequence: seq };
}

function parse(msg: Msg): JsonObject | undefined {
  const value = parseJson(msg.string());
  return isObject(value) ? value : undefined;
}
