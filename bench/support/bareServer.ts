/**
 * What single ingest is compared with: `bun bareServer.ts bun|elysia|upsert|pipelinedUpsert
 * [DATABASE_URL]`.
 * Prints its port. Nothing here promises anything but an answer; `upsert` keeps one row for each
 * content and window, as a service without a log would.
 */
import { Elysia, t } from "elysia";
import postgres from "postgres";
import { stderrLog } from "../../src/log.ts";
import { Database, type Sql } from "../../src/store/database.ts";

/** As many connections as a process of the product has. */
const connectionsMax = 12;
const windowMs = 5 * 60_000;

const [kind, databaseUrl = ""] = process.argv.slice(2);

if (kind === "bun") {
  serve(async (request) => {
    await request.json();
    return new Response(null, { status: 202 });
  });
} else if (kind === "elysia") {
  const schema = t.Object({
    token: t.String({ minLength: 1, maxLength: 512 }),
    customer: t.String({ minLength: 1, maxLength: 512 }),
    content: t.String({ minLength: 1, maxLength: 512 }),
    timespan: t.Integer({ minimum: 0 }),
    p2p: t.Integer({ minimum: 0 }),
    cdn: t.Integer({ minimum: 0 }),
    sessionDuration: t.Integer({ minimum: 0 }),
  });
  const accept = ({ set }: { set: { status?: number | string } }) => {
    set.status = 202;
  };
  const app = new Elysia().post("/stats", accept, { body: schema });
  app.listen({ port: 0, hostname: "127.0.0.1" });
  console.log(app.server?.port);
} else {
  const run = kind === "upsert" ? pooled(databaseUrl) : pipelined(databaseUrl);
  await run(
    (sql) => sql`
    create table if not exists bench_stats (
      time timestamptz, customer text, content text, cdn bigint not null, p2p bigint not null,
      primary key (time, customer, content)
    ) with (fillfactor = 50)`,
  );
  serve(async (request) => {
    const { customer, content, cdn, p2p } = fieldsOf(await request.json());
    const time = new Date((Math.floor(Date.now() / windowMs) + 1) * windowMs);
    await run(
      (sql) => sql`
      insert into bench_stats as s (time, customer, content, cdn, p2p)
      values (${time}, ${customer}, ${content}, ${cdn}, ${p2p})
      on conflict (time, customer, content)
      do update set cdn = s.cdn + excluded.cdn, p2p = s.p2p + excluded.p2p`,
    );
    return new Response(null, { status: 202 });
  });
}

type Run = (statement: (sql: Sql) => PromiseLike<unknown>) => Promise<unknown>;

/** The pool of the product: one statement at a time on a connection, each with a deadline. */
function pooled(url: string): Run {
  const log = stderrLog("error");
  const database = new Database({
    url,
    applicationName: "upserts",
    connectionsMax,
    deadlineMs: 10_000,
    log,
  });
  return (statement) => database.run(statement);
}

/** The driver's defaults: many statements on a connection, one behind the other. */
function pipelined(url: string): Run {
  const sql: Sql = postgres<{ bigint: postgres.PostgresType<bigint> }>(url, {
    max: connectionsMax,
    onnotice: () => {},
  });
  return async (statement) => await statement(sql);
}

function serve(fetch: (request: Request) => Promise<Response>): void {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", development: false, fetch });
  console.log(server.port);
}

function fieldsOf(value: unknown) {
  const fields = new Map(Object.entries(Object(value)));
  return {
    customer: String(fields.get("customer")),
    content: String(fields.get("content")),
    cdn: Number(fields.get("cdn")),
    p2p: Number(fields.get("p2p")),
  };
}
