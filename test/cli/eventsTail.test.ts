/** `events tail --follow`, while events are recorded. */
import { expect, test } from "bun:test";
import { join } from "node:path";

const data = { cdn: "1", p2p: "0", sessions: 1, payloads: 1 };

function event(position: number) {
  const at = "2026-01-31T10:05:00.000Z";
  const about = { customer: "c", content: "d", windowEnd: at, recordedAt: at };
  return { partition: 0, position, type: "WindowSealed", version: 1, ...about, data };
}

test("shows an event once that is recorded while the newest are asked for", async () => {
  let recorded = 1;
  let looks = 0;
  using server = Bun.serve({
    port: 0,
    fetch(request) {
      const { pathname, searchParams } = new URL(request.url);
      if (pathname === "/admin/partitions") {
        const partitions = [{ partition: 0, position: recorded }];
        // The second event comes right after the first look, the third after the second.
        recorded = Math.min(++looks + 1, 3);
        return Response.json({ partitions });
      }
      const after = Number(searchParams.get("afterPosition") ?? 0);
      const found = [1, 2, 3].slice(0, recorded).filter((position) => position > after);
      const order = searchParams.get("order") === "asc" ? found : found.toReversed();
      return Response.json({ events: order.map(event) });
    },
  });
  const main = join(import.meta.dir, "../../src/cli/payloadStats.ts");
  const args = ["--admin", server.url.href, "-o", "json", "events", "tail", "--follow"];
  const child = Bun.spawn([process.execPath, main, ...args], { stdout: "pipe", timeout: 20_000 });
  let text = "";
  for await (const chunk of child.stdout) {
    text += new TextDecoder().decode(chunk);
    if (looks >= 3 && text.includes('"position":3')) break;
  }
  child.kill();
  await child.exited;
  const shown = text.trimEnd().split("\n");
  expect(shown.map((line) => /"position":(\d)/.exec(line)?.[1])).toEqual(["1", "2", "3"]);
}, 30_000);
