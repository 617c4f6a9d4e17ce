/** Events as rows of a table. */
import { isObject, type JsonObject } from "../domain/json.ts";
import type { Column } from "./output.ts";

/** Place, time and sums; what is about no window shows its own fields. */
export const eventColumns: readonly Column[] = [
  ["RECORDED AT", "recordedAt"],
  ["EVENT", ({ partition, position }) => `${String(partition)}/${String(position)}`],
  ["TYPE", "type"],
  ["WINDOW END", "windowEnd"],
  ["CUSTOMER", "customer"],
  ["CONTENT", "content"],
  ["CDN", (event) => dataOf(event).cdn],
  ["P2P", (event) => dataOf(event).p2p],
  ["SESSIONS", (event) => dataOf(event).sessions],
  ["PAYLOADS", (event) => dataOf(event).payloads],
  ["DETAIL", (event) => (event.type === "WindowSealed" ? "" : decisionOf(event))],
];

/** What is about no window is somebody's decision. */
function decisionOf(event: JsonObject): JsonObject {
  return { by: event.sealedBy, ...dataOf(event) };
}

function dataOf({ data }: JsonObject): JsonObject {
  return isObject(data) ? data : {};
}
