/** The command line: usage, help, forms of output, exit codes. */
import { afterAll, beforeAll, describe, expect, spyOn, test } from "bun:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Command } from "commander";
import { AdminClient } from "../../src/cli/adminClient.ts";
import { checkDisk, checkNats, checkPort, checkService } from "../../src/cli/doctor/checks.ts";
import { createProgram, runProgram } from "../../src/cli/program.ts";
import { readCliSettings } from "../../src/cli/settings.ts";
import { readConfig } from "../../src/config.ts";
import { startEmbedded } from "../../src/embedded/embedded.ts";
import { freshStore } from "../store/support.ts";
import {
  type AdminServer,
  idleProjection,
  openActor,
  runningPartition,
  sealedEvent,
  startAdminServer,
} from "../support/adminServer.ts";
import { type CliResult, payloadStats } from "../support/cli.ts";
import { startPublicServer } from "../support/publicServer.ts";
import {
  dataDirectory,
  freePort,
  freshDatabase,
  temporaryDirectory,
  testBinDir,
  testLog,
} from "../support/servers.ts";

let api: AdminServer;
let env: Record<string, string>;
const token = "a-secret-of-32-characters-or-more";

beforeAll(() => {
  api = startAdminServer(token);
  const halted = { ...runningPartition(2), stopped: "made anew", halted: true };
  api.queries.partitionRows.push(runningPartition(1), halted);
  api.queries.projectionRows.push(idleProjection("stats"));
  env = { ADMIN_PORT: new URL(api.server.url).port, ADMIN_TOKEN: token };
});
afterAll(() => api.server.stop(0));

/** Every command below this one, by its words. */
function commandsOf(parent: Command, words = ""): [string, Command][] {
  return parent.commands.flatMap((command) => {
    const name = `${words}${command.name()}`;
    return [[name, command], ...commandsOf(command, `${name} `)];
  });
}

/** The command line in this process, which takes a fraction of the time of one of its own. */
async function runHere(args: readonly string[]): Promise<CliResult> {
  const texts = { stdout: "", stderr: "" };
  const spies = (["stdout", "stderr"] as const).map((name) =>
    spyOn(process[name], "write").mockImplementation((text) => {
      texts[name] += String(text);
      return true;
    }),
  );
  try {
    const program = createProgram(readCliSettings({ ...process.env, ...env }));
    return { code: await runProgram(program, args), ...texts };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

describe("help", () => {
  test("of every verb and every group shows an example of it", () => {
    const commands = commandsOf(createProgram(readCliSettings({})));
    expect(commands.length).toBeGreaterThanOrEqual(20);
    for (const [words, command] of commands) {
      let shown = "";
      command.configureOutput({ writeOut: (text) => (shown += text) });
      command.outputHelp();
      expect(shown).toMatch(new RegExp(`Example:\n  (\\S+=\\S+ )*payload-stats ${words}\\b`));
    }
  });
  test("goes to stdout with exit code 0", async () => {
    const { code, stdout, stderr } = await payloadStats(["--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("quarantine");
  });
});

describe("wrong usage ends with exit code 2 and says why on stderr", () => {
  const wrong: readonly (readonly string[])[] = [
    ["frobnicate"],
    ["partition"],
    ["partition", "ls", "--force"],
    ["partition", "ls", "more"],
    ["partition", "accept-loss"],
    ["partition", "accept-loss", "x", "--yes"],
    ["partition", "accept-loss", "-1", "--yes"],
    ["partition", "accept-loss", "99", "--yes"],
    ["quarantine", "ls", "--state", "lost"],
    ["quarantine", "ls", "--limit", "many"],
    ["quarantine", "ls", "--limit", "0"],
    ["quarantine", "ls", "--partition", "99"],
    ["quarantine", "show", "zz"],
    ["quarantine", "retry", "zz"],
    ["quarantine", "discard", "zz", "--yes"],
    ["explain"],
    ["explain", "--time", "garbage", "--customer", "a", "--content", "b"],
    ["explain", "--time", "2026-01-31T10:11:00Z", "--customer", "a", "--content", "b"],
    ["explain", "--time", "2026-01-31T10:10:00Z", "--customer", "", "--content", "b"],
    ["receipt", "xxx"],
    ["receipt", "7.1042"],
    ["actor", "get", "a"],
    ["actor", "get", "a", "b", "--at", "bogus"],
    ["actor", "get", "a", "b", "--at", "0"],
    ["actor", "ls", "--sort", "age"],
    ["actor", "ls", "--limit", "100000"],
    ["events", "tail", "-n", "x"],
    ["events", "tail", "-n", "1001"],
    ["events", "show", "99", "1"],
    ["events", "show", "1", "0"],
    ["projection", "show", "nosuch"],
    ["projection", "pause", "nosuch"],
    ["projection", "rebuild", "nosuch"],
    ["projection", "verify", "stats", "--from", "yesterday"],
    ["projection", "verify", "stats", "--from", "2026-01-02", "--to", "2026-01-01"],
    ["audit", "--from", "yesterday"],
    ["audit", "--from", "2026-01-02", "--to", "2026-01-01"],
    ["audit", "--partition", "x"],
    ["what-if", "--window", "7s"],
    ["what-if", "--from", "2026-01-02", "--to", "2026-01-01"],
    ["what-if", "--list", "--from", "2026-01-02"],
    ["what-if", "--drop", "what_if_00000000", "--count-token-once"],
    ["simulate", "--devices", "none"],
    ["ledger", "--token", "no\u2028header"],
    ["ledger", "-o", "xml"],
    ["ledger", "--admin", "somewhere"],
  ];
  test.each(wrong.map((args) => [args.join(" "), args] as const))("%s", async (_, args) => {
    const { code, stdout, stderr } = await runHere(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).not.toBe("");
  });
});

test("an environment that makes no sense is wrong usage", async () => {
  for (const [wrong, args] of [
    [{ ADMIN_PORT: "none" }, ["ledger"]],
    [{ WINDOW: "7s" }, ["audit"]],
    [{ WINDOW: "7s" }, ["events", "export", "never.gz"]],
  ] as const) {
    expect(await payloadStats(args, { ...env, ...wrong })).toMatchObject({ code: 2, stdout: "" });
  }
});

test("a moment in the future is wrong usage, and the newest one is named", async () => {
  api.history.past = { kind: "future", newest: { kind: "position", position: 12 } };
  const { code, stderr } = await payloadStats(["actor", "get", "a", "b", "--at", "99"], env);
  expect({ code, stderr }).toEqual({
    code: 2,
    stderr:
      "The moment is in the future.\n  ?at is in the future: the newest moment is position 12\n",
  });
});

describe("what destroys asks, and nobody is there to answer", () => {
  test.each([
    "projection cancel stats",
    "projection accept-diff stats",
    "projection rebuild stats --accept-diff",
    "quarantine discard 7.1042.3",
    "partition accept-loss 2",
  ])("%s", async (line) => {
    const { projections, quarantine, partitionControl } = api;
    const decided = () => [projections.commands, quarantine.decided, partitionControl.accepted];
    const before = structuredClone(decided());
    const { code, stdout, stderr } = await payloadStats(line.split(" "), env);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/\. Add --yes to do it\.\n$/);
    expect(decided()).toEqual(before);
  });

  test("--yes answers", async () => {
    for (const [command, asked] of [
      [["cancel", "stats", "--yes"], "cancel stats"],
      [["accept-diff", "stats", "-y"], "accept-diff stats"],
      [
        ["rebuild", "stats", "--accept-diff", "--yes", "--no-wait"],
        'rebuild stats {"acceptDifferences":true}',
      ],
    ] as const) {
      const { code } = await payloadStats(["projection", ...command], env);
      expect({ code, asked: api.projections.commands.at(-1) }).toEqual({ code: 0, asked });
    }
  });
});

describe("results", () => {
  test("are a table without colours when nobody looks, or JSON", async () => {
    api.actors.actors.push(openActor("Customer1", "channel 1"));
    const table = await payloadStats(["actor", "ls"], { ...env, NO_COLOR: "1" });
    expect(table.code).toBe(0);
    expect(table.stdout.split("\n")[0]).toMatch(/^CUSTOMER +CONTENT +STATE/);
    expect(table.stdout.split("\n")[1]).toMatch(/^Customer1 +channel 1 +open +7/);
    expect(table.stdout).not.toContain("\u001b");
    expect(table.stderr).toBe("1 of 1 actors\n");
    const json = await payloadStats(["actor", "ls", "-o", "json"], env);
    expect(JSON.parse(json.stdout)).toMatchObject({
      total: 1,
      actors: [{ customer: "Customer1" }],
    });
  });

  test("of an actor whose names a path cannot hold", async () => {
    api.queries.recorded.push(sealedEvent("..", "."));
    const { stdout } = await payloadStats(["actor", "get", "..", ".", "-o", "json"], env);
    expect(JSON.parse(stdout)).toMatchObject({ customer: "..", content: "." });
    api.queries.recorded.pop();
  });

  test("of events", async () => {
    api.queries.recorded.push(sealedEvent("a", "b", 1), sealedEvent("a", "c", 2));
    const tail = await payloadStats(["events", "tail", "-n", "5"], env);
    const [head = "", first = "", ...rest] = tail.stdout.trim().split("\n");
    expect(rest).toHaveLength(1);
    expect(head).toMatch(/^RECORDED AT +EVENT +TYPE +WINDOW END +CUSTOMER +CONTENT +CDN +P2P/);
    expect(first).toMatch(/ 7\/2 +WindowSealed +2026-01-31T10:10:00.000Z +a +c +1 +0 +1 +-$/);
    const lines = await payloadStats(["events", "tail", "-n", "5", "-o", "json"], env);
    expect(
      lines.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).content),
    ).toEqual(["c", "b"]);
    const record = await payloadStats(["events", "show", "7", "2"], env);
    expect(record.stdout).toMatch(/^data\.cdn +1$/m);
    expect(record.stdout).not.toContain("{");
    const shown = await payloadStats(["events", "show", "7", "2", "-o", "json"], env);
    expect(JSON.parse(shown.stdout)).toMatchObject({ position: 2, content: "c" });
    expect(await payloadStats(["events", "show", "7", "9"], env)).toMatchObject({ code: 1 });
  });

  test("of a receipt lead to the row", async () => {
    api.history.fate = {
      receipt: "7.1042.3",
      status: "sealed",
      partition: 7,
      receivedAt: "2026-01-31T10:06:00.000Z",
      customer: "it's",
      content: "b c",
      windowStart: "2026-01-31T10:05:00.000Z",
      windowEnd: "2026-01-31T10:10:00.000Z",
      startsSession: true,
      event: sealedEvent("it's", "b c"),
      duplicateOf: null,
      reason: null,
      retriedAs: null,
      candidates: [],
      basis: null,
    };
    const { stdout, stderr } = await payloadStats(["receipt", "7.1042.3"], env);
    expect(stdout).toMatch(/^status +sealed$/m);
    expect(stderr).toBe(
      "its row: payload-stats explain --time 2026-01-31T10:10:00.000Z " +
        "--customer='it'\\''s' --content='b c'\n",
    );
  });

  test("of commands", async () => {
    const rebuild = await payloadStats(["projection", "pause", "stats"], env);
    expect(rebuild.code).toBe(0);
    expect(api.projections.commands.at(-1)).toStartWith("pause stats");
    api.partitionControl.outcome = { kind: "running" };
    const loss = await payloadStats(["partition", "accept-loss", "2", "--yes"], env);
    expect(loss).toMatchObject({ code: 1, stdout: "" });
    expect(loss.stderr).toContain("not stopped");
  });
});

describe("failures end with exit code 1", () => {
  test("without a token, and with one in a flag", async () => {
    const { code, stderr } = await payloadStats(["ledger"], { ...env, ADMIN_TOKEN: "" });
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: "the admin token is missing or wrong: set ADMIN_TOKEN, or use --token\n",
    });
    const given = ["ledger", "--token", token];
    expect(await payloadStats(given, { ...env, ADMIN_TOKEN: "" })).toMatchObject({ code: 0 });
  });

  test("when nothing answers", async () => {
    const admin = `http://127.0.0.1:${await freePort()}`;
    const { code, stdout, stderr } = await payloadStats(["ledger", "--admin", admin]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain(`cannot ask ${admin}`);
  });

  test("when the ledger is not balanced", async () => {
    const { current } = api.ledger;
    const total = { ...current.total, missing: 1, balanced: false };
    api.ledger.current = { balanced: false, total, partitions: [] };
    const { code, stdout } = await payloadStats(["ledger"], env);
    expect(code).toBe(1);
    expect(stdout).toMatch(/all .* no$/m);
    api.ledger.current = current;
  });
});

test("a proxy of the environment is asked for nothing that is on this machine", async () => {
  const asked: string[] = [];
  const proxy = Bun.serve({
    port: 0,
    fetch({ url }) {
      asked.push(url);
      return new Response("", { status: 502 });
    },
  });
  for (const others of ["", "example.com"]) {
    const proxied = { HTTP_PROXY: proxy.url.href, NO_PROXY: "", no_proxy: others };
    expect((await payloadStats(["partition", "ls"], { ...env, ...proxied })).code).toBe(0);
  }
  expect(asked).toEqual([]);
  await proxy.stop();
});

describe("doctor", () => {
  test("lists what is wrong with the configuration", async () => {
    const { code, stdout } = await payloadStats(["doctor"], { ...env, WINDOW: "7s" });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^config +bad +WINDOW: 7s does not divide a day/m);
  });

  test("says that the token is wrong, and when the database was started with other settings", async () => {
    await using store = await freshStore(3);
    const settings = {
      WINDOW: "5m",
      PARTITIONS: "4",
      DATABASE_URL: store.url,
      ADMIN_TOKEN: "other",
    };
    const { code, stdout } = await payloadStats(["doctor"], { ...env, ...settings });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^service +bad +the admin token is missing or wrong/m);
    expect(stdout).toMatch(/^settings +bad +PARTITIONS is 4, but .* with PARTITIONS=3,/m);
  });

  test("looks at a running service, its servers and their clocks", async () => {
    const embedded = await startEmbedded({
      dataDir: await dataDirectory(),
      postgres: { port: await freePort() },
      nats: { port: await freePort() },
      binDir: testBinDir,
      log: testLog,
    });
    await using stops = new AsyncDisposableStack();
    stops.defer(embedded.stop);
    const port = String(await freePort());
    const result = await payloadStats(["doctor", "-o", "json"], {
      ...env,
      PORT: port,
      DATABASE_URL: embedded.postgres?.url ?? "",
      NATS_URL: embedded.nats?.url ?? "",
    });
    const { findings } = JSON.parse(result.stdout);
    const results = new Map<string, string>();
    for (const { check, result: found } of findings) results.set(check, found);
    expect(Object.fromEntries(results)).toMatchObject({
      config: "ok",
      PORT: "ok",
      ADMIN_PORT: "ok",
      postgres: "ok",
      "encoding of postgres": "ok",
      "clock of postgres": "ok",
      "durability of postgres": "ok",
    });
    expect(results.has("durability of nats")).toBe(true);
    expect(results.get("service: postgres")).toBe("ok");
    const copies = readConfig({ NATS_URL: embedded.nats?.url ?? "", STREAM_REPLICAS: "3" });
    expect(await checkNats(copies)).toContainEqual({
      check: "copies of streams",
      result: "bad",
      detail: expect.stringContaining("needs a NATS cluster"),
    });
  });

  test("tells the admin listener from the public one", async () => {
    const other = startPublicServer();
    const port = new URL(other.url).port;
    const { code, stdout } = await payloadStats(["doctor"], { ADMIN_PORT: port });
    await other.stop(0);
    expect(code).toBe(1);
    expect(stdout).toMatch(/^ADMIN_PORT +bad +.* another listener of payload-stats/m);
  });

  test("names a service that takes connections and answers otherwise, or not at all", async () => {
    const other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hello") });
    const silent = Bun.listen({ port: 0, hostname: "127.0.0.1", socket: { data() {} } });
    for (const { port } of [other, silent]) {
      const client = new AdminClient(`http://127.0.0.1:${port}`, undefined);
      const [finding] = await checkService(client, 300);
      expect(finding).toMatchObject({ check: "service", result: "bad" });
    }
    await other.stop();
    silent.stop();
    const nobody = new AdminClient(`http://127.0.0.1:${await freePort()}`, undefined);
    expect(await checkService(nobody)).toMatchObject([{ check: "service", result: "warning" }]);
  });

  test("names what no start could use", async () => {
    const file = join(temporaryDirectory(), "file");
    await writeFile(file, "");
    const bad = { result: "bad", detail: expect.stringContaining("cannot be") };
    expect(await checkDisk(file)).toMatchObject(bad);
    expect(await checkDisk(join(file, "below"))).toMatchObject(bad);
    expect(await checkDisk(join(temporaryDirectory(), "later", "still"))).toMatchObject({
      result: "ok",
    });
    const elsewhere = "nowhere.invalid";
    expect(await checkPort("PORT", elsewhere, await freePort(), "/stats")).toMatchObject(bad);
  });

  test("warns of a Postgres that does not wait for the disk", async () => {
    const settings = { DATABASE_URL: await freshDatabase() };
    const { code, stdout } = await payloadStats(["doctor"], { ...env, ...settings });
    expect(code).toBe(1);
    expect(stdout).toMatch(/^durability of postgres +bad +.*fsync = off/m);
  });
});
