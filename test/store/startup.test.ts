import { describe, expect, test } from "bun:test";
import { connect, createServer } from "node:net";
import postgres from "postgres";
import {
  Database,
  DeadlineExceeded,
  NoConnectionFree,
  TakesNoWrites,
} from "../../src/store/database.ts";
import { PostgresHealth } from "../../src/store/health.ts";
import { DatabaseTooNew, DatabaseTooOld, migrate } from "../../src/store/migrate.ts";
import { migrations } from "../../src/store/migrations.ts";
import { openDatabase } from "../../src/store/open.ts";
import { prepareDatabase } from "../../src/store/prepare.ts";
import { freshDatabase, testLog } from "../support/servers.ts";
import { listening } from "../support/tcp.ts";
import { until } from "../support/until.ts";
import { freshStore, openTestDatabase, TestStore, windowMs } from "./support.ts";

const settings = { windowMs, partitions: 16 };
const current = migrations.at(-1)?.version ?? 0;

function withNext(statements: string) {
  return [...migrations, { version: current + 1, name: "next", statements }];
}

test("a database that takes no writes is named, and left for one that does", async () => {
  await using store = await freshStore(1);
  const health = new PostgresHealth(store.database, windowMs);
  const { pathname } = new URL(store.url);
  const change = (isOn: string) => {
    const onlyReads = `alter database ${pathname.slice(1)} set default_transaction_read_only`;
    return `set transaction read write; ${onlyReads} = ${isOn}`;
  };
  const other = postgres(store.url, { max: 1 });
  await other.unsafe(change("on"));
  await using later = new TestStore(store.url);
  const settingsNow = { windowMs, partitions: 1 };
  await expect(prepareDatabase(later.database, settingsNow)).rejects.toThrow(TakesNoWrites);
  const laterHealth = new PostgresHealth(later.database, windowMs);
  await expect(laterHealth.health(0)).rejects.toThrow(TakesNoWrites);
  await other.unsafe(change("off"));
  // The connections that only read are left.
  expect((await laterHealth.health(0)).partitions).toBe(1);
  expect((await health.health(0)).partitions).toBe(1);
  await other.end();
});

describe("at the first start", () => {
  test("four processes may prepare the database at once", async () => {
    const url = await freshDatabase();
    const databases = [1, 2, 3, 4].map(() => openTestDatabase(url, 2));
    await Promise.all(databases.map((database) => prepareDatabase(database, settings)));
    const [counts] = await Promise.all([
      databases[0]?.run(
        (sql) => sql`
          select
            (select count(*)::int from schema_migrations) as migrations,
            (select count(*)::int from partitions) as partitions,
            (select count(*)::int from projections) as projections,
            (select count(*)::int from projection_positions) as positions
        `,
      ),
    ]);
    expect([...(counts ?? [])]).toEqual([
      { migrations: migrations.length, partitions: 16, projections: 3, positions: 48 },
    ]);
    await Promise.all(databases.map((database) => database.close()));
  });

  test("with different settings, one of two processes wins and the other refuses", async () => {
    await using store = new TestStore(await freshDatabase());
    await migrate(store.database);
    const starts = [4, 8].map((partitions) =>
      prepareDatabase(store.database, { windowMs, partitions }),
    );
    const outcomes = await Promise.allSettled(starts);
    const statuses = outcomes.map(({ status }) => status);
    expect(statuses.toSorted()).toEqual(["fulfilled", "rejected"]);
    const rows = await store.database.run((sql) => sql`select from partitions`);
    expect(rows).toHaveLength(statuses[0] === "fulfilled" ? 4 : 8);
  });
});

describe("a later start", () => {
  test("with the same settings changes nothing", async () => {
    await using store = await freshStore(4);
    await prepareDatabase(store.database, { windowMs, partitions: 4 });
    expect(await store.database.run((sql) => sql`select from partitions`)).toHaveLength(4);
  });

  test("with other settings is refused, and says both values and how to go on", async () => {
    await using store = await freshStore(4);
    const start = (changed: object) =>
      prepareDatabase(store.database, { windowMs, partitions: 4, ...changed });
    await expect(start({ windowMs: 60_000 })).rejects.toThrow(
      "WINDOW is 1m, but this database was started with WINDOW=5m",
    );
    await expect(start({ partitions: 5 })).rejects.toThrow("Either set PARTITIONS=4");
    await expect(start({ windowMs: 60_000, partitions: 5 })).rejects.toThrow(
      /^WINDOW is 1m and PARTITIONS is 5, .* Either set WINDOW=5m PARTITIONS=4, or .* values$/,
    );
    expect(await store.database.run((sql) => sql`select from partitions`)).toHaveLength(4);
  });

  test("with a database of a newer program is refused", async () => {
    await using store = await freshStore(1);
    await migrate(store.database, withNext("create table next ();"));
    await expect(migrate(store.database)).rejects.toBeInstanceOf(DatabaseTooNew);
    await expect(migrate(store.database)).rejects.toThrow("run the newer program");
  });

  test("with a database from before the first version is refused, and says what to do", async () => {
    await using store = await freshStore(1);
    const before = (migrations[0]?.version ?? 0) - 1;
    await store.database.run((sql) => sql`delete from schema_migrations`);
    await store.database.run((sql) => sql`insert into schema_migrations values (${before}, 'old')`);
    const start = migrate(store.database, withNext("create table next ();"));
    await expect(start).rejects.toBeInstanceOf(DatabaseTooOld);
    await expect(start).rejects.toThrow(/version 10, .* start an earlier program .* new database$/);
    const [{ next } = {}] = await store.database.run(
      (sql) => sql`select to_regclass('next') as next`,
    );
    expect(next).toBeNull();
  });

  test("with a database that came to the first version by steps changes nothing", async () => {
    await using store = await freshStore(1);
    await store.database.run(
      (sql) => sql`
        insert into schema_migrations (version, name) select n, 'step' from generate_series(1, 10) n
      `,
    );
    await migrate(store.database);
    expect(await store.database.run((sql) => sql`select from schema_migrations`)).toHaveLength(
      10 + migrations.length,
    );
  });

  test("of four processes at once applies a later migration once", async () => {
    await using store = await freshStore(1);
    const list = withNext("create table next (); insert into next default values;");
    await Promise.all([1, 2, 3, 4].map(() => migrate(store.database, list)));
    expect(await store.database.run((sql) => sql`select from next`)).toHaveLength(1);
  });

  test("applies a migration wholly or not at all", async () => {
    await using store = await freshStore(1);
    const broken = withNext("create table half (n int); create table half (n int);");
    await expect(migrate(store.database, broken)).rejects.toThrow("already exists");
    await migrate(store.database);
    await migrate(store.database, withNext("create table half ();"));
    expect(await store.database.run((sql) => sql`select from half`)).toHaveLength(0);
  });
});

describe("the connection", () => {
  const options = { applicationName: "test", connectionsMax: 2, deadlineMs: 5_000, log: testLog };

  test("to nothing fails after a bounded time, without the password", async () => {
    const url = "postgres://user:secret@127.0.0.1:1/db";
    const opened = openDatabase({ ...options, url }, 500);
    await expect(opened).rejects.toThrow(/127\.0\.0\.1:1\/db cannot be used.*DATABASE_URL/);
    await opened.catch((error) => expect(String(error)).not.toContain("secret"));
  });

  test("to something silent fails after a bounded time", async () => {
    const silent = createServer(() => {});
    const url = `postgres://user@127.0.0.1:${await listening(silent)}/db`;
    const askedMs = performance.now();
    await expect(openDatabase({ ...options, url }, 300)).rejects.toThrow("did not answer");
    // Closing what was never connected does not wait for statements under way.
    expect(performance.now() - askedMs).toBeLessThan(3_000);
    silent.close();
  });

  test("to a database that does not exist fails after a while, since somebody may make it", async () => {
    const url = new URL(await freshDatabase());
    const name = `later_${crypto.randomUUID().slice(0, 8)}`;
    await using store = new TestStore(url.href);
    url.pathname = `/${name}`;
    const never = openDatabase({ ...options, url: url.href }, 300);
    await expect(never).rejects.toThrow("does not exist");
    const opening = openDatabase({ ...options, url: url.href }, 60_000);
    await store.database.run((sql) => sql`create database ${sql(name)}`);
    await (await opening).close();
  });

  test("to a database of another encoding is refused at once", async () => {
    await using store = new TestStore(await freshDatabase());
    const url = new URL(store.url);
    const name = `latin_${url.pathname.slice(1)}`;
    url.pathname = `/${name}`;
    await store.database.run(
      (sql) => sql`
        create database ${sql(name)} encoding 'LATIN1' template template0
          locale_provider libc lc_collate 'C' lc_ctype 'C'
      `,
    );
    const opening = openDatabase({ ...options, url: url.href }, 60_000);
    await expect(opening).rejects.toThrow("encoding of the database is LATIN1");
  });

  test("has its tables in public and its own isolation, whatever the database's choices are", async () => {
    const url = await freshDatabase();
    await using admin = new TestStore(url);
    for (const statement of [
      "create schema authorization postgres",
      `alter database ${new URL(url).pathname.slice(1)}
         set default_transaction_isolation = serializable`,
    ]) {
      await admin.database.run((sql) => sql.unsafe(statement));
    }
    await using store = new TestStore(url);
    await prepareDatabase(store.database, settings);
    const found = await store.database.run(
      (sql) => sql`
        select current_setting('transaction_isolation') as isolation,
          (select count(*)::int from pg_tables where schemaname = 'postgres') as elsewhere,
          to_regclass('public.stats') is not null as there
      `,
    );
    expect([...found]).toEqual([{ isolation: "read committed", elsewhere: 0, there: true }]);
  });

  test("is made anew after a deadline, and others keep theirs", async () => {
    await using store = new TestStore(await freshDatabase());
    const applicationName = "made anew";
    // Such a one cuts off what is under way as soon as it is closed.
    const choices = { ...options, url: store.url, applicationName, isRepeatable: true };
    const database = new Database({ ...choices, deadlineMs: 60_000 });
    const other = database.run((sql) => sql`select pg_sleep(0.5), 1 as one`);
    const late = database.run((sql) => sql`select pg_sleep(60)`, 300);
    await expect(late).rejects.toBeInstanceOf(DeadlineExceeded);
    expect(await database.run((sql) => sql`select 2 as two`)).toHaveLength(1);
    expect(await other).toHaveLength(1);
    const connections = async () => {
      const rows = await store.database.run(
        (sql) => sql`
          select from pg_stat_activity
          where application_name = ${applicationName}
        `,
      );
      return rows.length;
    };
    // That of the new pool; the old one is closed with its last statement.
    await until(async () => (await connections()) === 1, { what: "one connection is left" });
    await database.close();
  });

  test("that takes longer to be made than a statement may take is there for a later one", async () => {
    const url = new URL(await freshDatabase());
    const postgresPort = Number(url.port);
    const slow = createServer({ pauseOnConnect: true }, (near) => {
      setTimeout(() => {
        const far = connect(postgresPort, "127.0.0.1");
        near.pipe(far).pipe(near);
        for (const socket of [near, far]) socket.on("error", () => {});
      }, 900);
    });
    url.port = String(await listening(slow));
    const database = new Database({ ...options, url: url.href, deadlineMs: 300 });
    const ask = () => database.run((sql) => sql`select`);
    await expect(ask()).rejects.toBeInstanceOf(DeadlineExceeded);
    const isAnswered = () =>
      ask().then(
        () => true,
        () => false,
      );
    await until(isAnswered, { what: "a statement is answered" });
    await database.close();
    slow.close();
  });

  test("of a client that vanished is noticed by the server within a minute", async () => {
    await using store = new TestStore(await freshDatabase());
    const [row] = await store.database.run(
      (sql) => sql`
        select current_setting('tcp_keepalives_idle')::int as idle,
          current_setting('tcp_keepalives_interval')::int as interval,
          current_setting('tcp_keepalives_count')::int as count
      `,
    );
    expect(row?.idle + row?.interval * row?.count).toBe(60);
  });

  test("leaves nothing behind that waits for a lock when its statements are given up", async () => {
    await using store = new TestStore(await freshDatabase());
    await prepareDatabase(store.database, settings);
    const choices = { ...options, url: store.url, applicationName: "given up" };
    const database = new Database({ ...choices, connectionsMax: 2, deadlineMs: 300 });
    const waiting = async () => {
      const rows = await store.database.run(
        (sql) => sql`select from pg_stat_activity where application_name = 'given up'`,
      );
      return rows.length;
    };
    const other = postgres(store.url, { max: 1 });
    await other.begin(async (transaction) => {
      await transaction`select from partitions for update`;
      for (let i = 0; i < 5; i++) {
        const late = database.run((sql) => sql`update partitions set epoch = 1`);
        await expect(late).rejects.toBeInstanceOf(DeadlineExceeded);
      }
      expect(await waiting()).toBeGreaterThan(2);
      await until(async () => (await waiting()) <= 2, { what: "they are gone" });
    });
    await Promise.all([other.end(), database.close()]);
  });

  test("is made anew when its server takes no writes any more", async () => {
    await using store = new TestStore(await freshDatabase());
    await prepareDatabase(store.database, settings);
    const database = new Database({ ...options, url: store.url, connectionsMax: 1 });
    await database.run((sql) => sql`set default_transaction_read_only = on`);
    const write = () => database.run((sql) => sql`update partitions set epoch = 1`);
    await expect(write()).rejects.toThrow("read-only");
    await write();
    await database.close();
  });

  test("is closed at once under a statement that may be repeated", async () => {
    await using store = new TestStore(await freshDatabase());
    const { url } = store;
    const database = new Database({ ...options, url, deadlineMs: 60_000, isRepeatable: true });
    const sleeping = database.run((sql) => sql`select pg_sleep(3)`).catch(String);
    await until(
      async () => {
        const running = await store.database.run(
          (sql) => sql`select from pg_stat_activity where query = 'select pg_sleep(3)'`,
        );
        return running.length > 0;
      },
      { what: "it runs" },
    );
    await database.close();
    expect(await sleeping).toContain("CONNECTION_DESTROYED");
  });

  test("refuses a statement that finds no connection in time, and keeps those it has", async () => {
    await using store = new TestStore(await freshDatabase());
    const holder = postgres(store.url, { max: 1 });
    await holder`select pg_advisory_lock(7)`;
    const narrow = store.connect(1, "narrow");
    const backends = async () => {
      const rows = await holder`
        select pid, wait_event_type as waits_for from pg_stat_activity
        where application_name = 'narrow' and query like '%pg_advisory_lock%'
      `;
      return rows.map((row) => ({ pid: Number(row.pid), waitsFor: row.waits_for }));
    };
    const busy = narrow.run((sql) => sql`select pg_advisory_lock(7), pg_backend_pid() as pid`);
    const [first] = await until(
      async () => {
        const found = await backends();
        return found[0]?.waitsFor === "Lock" ? found : undefined;
      },
      { what: "its only connection is busy" },
    );
    const late = narrow.run((sql) => sql`select 1`, 50);
    await expect(late).rejects.toBeInstanceOf(NoConnectionFree);
    const patient = narrow.run((sql) => sql`select pg_backend_pid() as pid`);
    await holder`select pg_advisory_unlock(7)`;
    // The same connection: who found none free says nothing about those that are there.
    expect(Number((await busy)[0]?.pid)).toBe(first?.pid ?? 0);
    expect(Number((await patient)[0]?.pid)).toBe(first?.pid ?? 0);
    await holder.end();
  });

  test("goes on, and never hangs, while its backends are terminated", async () => {
    await using store = new TestStore(await freshDatabase());
    const victim = store.connect(4, "victim");
    let answers = 0;
    let isStopping = false;
    const asking = [1, 2, 3, 4].map(async (number) => {
      while (!isStopping) {
        try {
          await victim.run((sql) => sql`select ${number}::int`, 5_000);
          answers += 1;
        } catch (error) {
          expect(error).not.toBeInstanceOf(DeadlineExceeded);
        }
      }
    });
    for (let kill = 0; kill < 40; kill += 1) {
      const before = answers;
      await store.database.run(
        (sql) => sql`
          select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'victim'
        `,
      );
      await until(() => answers > before + 10, { what: "statements are answered again" });
    }
    isStopping = true;
    await Promise.all(asking);
  }, 30_000);

  test("hears notifications again after it was cut", async () => {
    await using store = new TestStore(await freshDatabase());
    const listening = store.connect(1, "listening");
    let heard = 0;
    const stop = listening.listen("some_channel", () => {
      heard += 1;
    });
    await until(() => heard === 1, { what: "it listens" });
    await store.database.run((sql) => sql`select pg_notify('some_channel', '')`);
    await until(() => heard === 2, { what: "it hears" });
    await store.database.run(
      (sql) => sql`
        select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'listening'
      `,
    );
    await until(() => heard === 3, { what: "it listens again" });
    await store.database.run((sql) => sql`select pg_notify('some_channel', '')`);
    await until(() => heard === 4, { what: "it hears again" });
    stop();
    await listening.close();
    await listening.close();
  });
});
