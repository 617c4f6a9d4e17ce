/** What a verb that reads the servers itself says when one of them goes away. */
import { expect, test } from "bun:test";
import { withDatabase } from "../../src/cli/direct.ts";
import { readConfig } from "../../src/config.ts";
import { freshDatabase } from "../support/servers.ts";

test("a connection that is lost is told by name, with what to do", async () => {
  const config = readConfig({ DATABASE_URL: await freshDatabase() });
  const killed = withDatabase(config, (database) =>
    database.run((sql) => sql`select pg_terminate_backend(pg_backend_pid())`),
  );
  await expect(killed).rejects.toThrow(/^Postgres went away \(.+\): start this again/);
});

test("what a verb itself finds wrong is left as it is", async () => {
  const config = readConfig({ DATABASE_URL: await freshDatabase() });
  const wrong = withDatabase(config, (database) => database.run((sql) => sql`select 1 / 0`));
  await expect(wrong).rejects.toThrow(/^division by zero$/);
});
