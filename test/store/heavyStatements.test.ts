import { expect, test } from "bun:test";
import { HeavyStatements } from "../../src/store/heavyStatements.ts";

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

test("large commits run one at a time, also after one that failed", async () => {
  const [heavy, statements] = [new HeavyStatements(), new Statements()];
  const first = heavy.commit(statements.run("first"));
  const second = heavy.commit(statements.run("second"));
  await settle();
  expect(statements.begun).toEqual(["first"]);
  statements.fail("first");
  await expect(first).rejects.toThrow("first");
  await settle();
  expect(statements.begun).toEqual(["first", "second"]);
  statements.end("second");
  expect(await second).toBe("second");
});

test("a projection stands in the same row while devices wait, and else goes at once", async () => {
  let devicesWait = true;
  const heavy = new HeavyStatements(() => devicesWait);
  const statements = new Statements();
  const all = [
    heavy.commit(statements.run("commit")),
    heavy.project(statements.run("stats")),
    heavy.commit(statements.run("next commit")),
  ];
  await settle();
  expect(statements.begun).toEqual(["commit"]);
  devicesWait = false;
  all.push(heavy.project(statements.run("sessions")));
  await settle();
  expect(statements.begun).toEqual(["commit", "sessions"]);
  statements.end("commit");
  await settle();
  expect(statements.begun).toEqual(["commit", "sessions", "stats"]);
  for (const name of ["stats", "sessions", "next commit"]) statements.end(name);
  expect(await Promise.all(all)).toEqual(["commit", "stats", "next commit", "sessions"]);
});
