import { expect, test } from "bun:test";
import { HeavyStatements } from "../../src/store/heavyStatements.ts";
import { until } from "../support/until.ts";

/** Statements that end when they are told to, and the names of those that have begun. */
class Statements {
  readonly begun: string[] = [];
  readonly #ends = new Map<string, PromiseWithResolvers<string>>();

  run(name: string): () => Promise<string> {
    const end = Promise.withResolvers<string>();
    this.#ends.set(name, end);
    return () => {
      this.begun.push(name);
      return end.promise;
    };
  }

  end(name: string): void {
    this.#ends.get(name)?.resolve(name);
  }

  fail(name: string): void {
    this.#ends.get(name)?.reject(new Error(name));
  }
}

/** Lets everything go on that may. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test("statements have their turns one after the other, also after one that failed", async () => {
  const [heavy, statements] = [new HeavyStatements(), new Statements()];
  const first = heavy.inTurn(statements.run("first"));
  const second = heavy.inTurn(statements.run("second"));
  await settle();
  expect(statements.begun).toEqual(["first"]);
  statements.fail("first");
  await expect(first).rejects.toThrow("first");
  await settle();
  expect(statements.begun).toEqual(["first", "second"]);
  statements.end("second");
  expect(await second).toBe("second");
});

test("some have no turn when no device waits", async () => {
  let devicesWait = true;
  const heavy = new HeavyStatements(() => devicesWait);
  const statements = new Statements();
  const all = [
    heavy.inTurn(statements.run("commit")),
    heavy.inTurnForDevices(statements.run("stats")),
    heavy.inTurn(statements.run("next commit")),
  ];
  await settle();
  expect(statements.begun).toEqual(["commit"]);
  devicesWait = false;
  all.push(heavy.inTurnForDevices(statements.run("sessions")));
  await settle();
  expect(statements.begun).toEqual(["commit", "sessions"]);
  statements.end("commit");
  await settle();
  expect(statements.begun).toEqual(["commit", "sessions", "stats"]);
  for (const name of ["stats", "sessions", "next commit"]) statements.end(name);
  expect(await Promise.all(all)).toEqual(["commit", "stats", "next commit", "sessions"]);
});

test("one that does not end holds the others up once, who still go one at a time", async () => {
  const [heavy, statements] = [new HeavyStatements(() => true, 200), new Statements()];
  const names = ["stuck", "first", "second"];
  const all = names.map((name) => heavy.inTurn(statements.run(name)));
  await until(() => statements.begun.length === 2, { what: "the turn of the first" });
  statements.end("first");
  await all[1];
  await settle();
  expect(statements.begun).toEqual(names);
  const later = ["third", "fourth"].map((name) => heavy.inTurn(statements.run(name)));
  statements.end("second");
  await all[2];
  // The late end of the first one is no turn of the fourth.
  statements.end("stuck");
  await settle();
  expect(statements.begun).toEqual([...names, "third"]);
  for (const name of ["third", "fourth"]) statements.end(name);
  expect(await Promise.all(later)).toEqual(["third", "fourth"]);
});
