import { describe, expect, test } from "bun:test";
import { type Config, ConfigError, isLoopback, readConfig } from "../src/config.ts";

/** The problems of an environment; none when it is accepted. */
function problems(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

test("an empty environment gives the defaults", () => {
  expect(readConfig({}, 2)).toEqual({
    port: 8080,
    host: "0.0.0.0",
    adminPort: 8081,
    adminHost: "127.0.0.1",
    adminToken: undefined,
    databaseUrl: undefined,
    natsUrl: undefined,
    embeddedPgPort: 54_320,
    embeddedNatsPort: 42_220,
    dataDir: ".data",
    roles: new Set(["ingest", "worker", "projector", "admin"]),
    windowMs: 300_000,
    partitions: 16,
    streamReplicas: 1,
    sessionMemoryMs: 86_400_000,
    rawRetentionMs: 86_400_000,
    leaseMs: 5_000,
    httpThreads: 2,
    logLevel: "info",
  });
});

test("a thread for each core answers, but no more than four unless that is asked for", () => {
  expect(readConfig({}, 1).httpThreads).toBe(1);
  expect(readConfig({}, 64).httpThreads).toBe(4);
  expect(readConfig({ HTTP_THREADS: "8" }, 2).httpThreads).toBe(8);
});

test("the configuration is frozen", () => {
  expect(Object.isFrozen(readConfig({}))).toBe(true);
});

test("an empty variable counts as not set, and blanks around a value do not count", () => {
  expect(readConfig({ PORT: "", WINDOW: " ", DATABASE_URL: "" })).toEqual(readConfig({}));
  expect(readConfig({ PARTITIONS: " 4 " }).partitions).toBe(4);
});

describe("integers", () => {
  const bounds: [string, keyof Config, number, number][] = [
    ["PORT", "port", 0, 65_535],
    ["ADMIN_PORT", "adminPort", 0, 65_535],
    ["EMBEDDED_PG_PORT", "embeddedPgPort", 1, 65_535],
    ["EMBEDDED_NATS_PORT", "embeddedNatsPort", 1, 65_535],
    ["PARTITIONS", "partitions", 1, 1_024],
    ["HTTP_THREADS", "httpThreads", 1, 16],
  ];
  test.each(bounds)("%s is read into %s, from %d to %d", (name, field, min, max) => {
    expect(readConfig({ [name]: String(min) })[field]).toBe(min);
    expect(readConfig({ [name]: String(max) })[field]).toBe(max);
    for (const bad of [String(min - 1), String(max + 1), "x", "1.5", "1e2", "0x10", "12 13"]) {
      expect(problems({ [name]: bad })).toEqual([
        `${name}: must be an integer from ${min} to ${max}, not "${bad}"`,
      ]);
    }
  });
});

describe("durations", () => {
  const accepted: [string, keyof Config, string, number][] = [
    ["WINDOW", "windowMs", "1s", 1_000],
    ["WINDOW", "windowMs", "90s", 90_000],
    ["WINDOW", "windowMs", "1h", 3_600_000],
    ["SESSION_MEMORY", "sessionMemoryMs", "10m", 600_000],
    ["SESSION_MEMORY", "sessionMemoryMs", "8760h", 31_536_000_000],
    ["RAW_RETENTION", "rawRetentionMs", "0s", 0],
    ["LEASE", "leaseMs", "1s", 1_000],
    ["LEASE", "leaseMs", "10m", 600_000],
  ];
  test.each(accepted)("%s is read into %s: %s", (name, field, text, value) => {
    expect(readConfig({ [name]: text })[field]).toBe(value);
  });

  const refused: [string, string][] = [
    ["WINDOW", "999ms"],
    ["WINDOW", "0s"],
    ["WINDOW", "300"],
    ["WINDOW", "five minutes"],
    ["WINDOW", "-5m"],
    ["SESSION_MEMORY", "1s"],
    ["SESSION_MEMORY", "8761h"],
    ["RAW_RETENTION", "24"],
    ["LEASE", "0s"],
    ["LEASE", "601s"],
  ];
  test.each(refused)("%s refuses %s", (name, text) => {
    const [problem] = problems({ [name]: text });
    expect(problem).toStartWith(`${name}: must be a duration like 90s, 5m or 24h from `);
    expect(problem).toEndWith(`not "${text}"`);
  });

  test("a window of a whole day is the longest", () => {
    expect(readConfig({ WINDOW: "24h", SESSION_MEMORY: "48h" }).windowMs).toBe(86_400_000);
    expect(readConfig({ WINDOW: "1d" }).sessionMemoryMs).toBe(2 * 86_400_000);
    expect(problems({ WINDOW: "48h", SESSION_MEMORY: "96h" })).toHaveLength(1);
  });
});

describe("words", () => {
  test("STREAM_REPLICAS is 1, 3 or 5", () => {
    for (const count of [1, 3, 5]) {
      expect(readConfig({ STREAM_REPLICAS: String(count) }).streamReplicas).toBe(count);
    }
    expect(problems({ STREAM_REPLICAS: "2" })).toEqual([
      'STREAM_REPLICAS: must be one of 1, 3, 5, not "2"',
    ]);
  });

  test("ROLES is a list; a role may be named twice", () => {
    expect(readConfig({ ROLES: "worker, ingest,worker" }).roles).toEqual(
      new Set(["worker", "ingest"]),
    );
    expect(problems({ ROLES: "worker,cook" })).toEqual([
      'ROLES: "cook" is no role; roles are ingest, worker, projector, admin',
    ]);
  });

  test("LOG_LEVEL is one of four", () => {
    expect(readConfig({ LOG_LEVEL: "debug" }).logLevel).toBe("debug");
    expect(problems({ LOG_LEVEL: "verbose" })).toHaveLength(1);
  });

  test("DATA_DIR, HOST, ADMIN_HOST and ADMIN_TOKEN are taken as they are", () => {
    const env = { DATA_DIR: "/a b", HOST: "::", ADMIN_HOST: "0.0.0.0", ADMIN_TOKEN: "secret" };
    const { dataDir, host, adminHost, adminToken } = readConfig(env);
    expect([dataDir, host, adminHost, adminToken]).toEqual(["/a b", "::", "0.0.0.0", "secret"]);
  });
});

describe("URLs", () => {
  test.each(["postgres://u:p@host/db", "postgresql://host:5433/db"])("accepts %s", (url) => {
    expect(readConfig({ DATABASE_URL: url }).databaseUrl).toBe(url);
  });

  test("a bad DATABASE_URL is refused without repeating its password", () => {
    const schemeOnly = ["postgres:hunter2", "postgresql:/u:hunter2@host/db", "postgres//hunter2"];
    for (const url of ["mysql://u:hunter2@host/db", "hunter2", ...schemeOnly]) {
      const [problem = ""] = problems({ DATABASE_URL: url });
      expect(problem).toStartWith("DATABASE_URL: ");
      expect(problem).not.toContain("hunter2");
    }
  });

  test.each([
    ["DATABASE_URL", "postgres://u:50%@host/db"],
    ["NATS_URL", "nats://a:4222,nats://u:5%0@b:4222"],
  ])("a %% in a password of %s that is none of an escape is refused", (name, url) => {
    expect(problems({ [name]: url })).toEqual([
      `${name}: write % in a user name or a password as %25`,
    ]);
  });

  test.each(["nats://a:4222", "tls://a:4222,tls://b:4222", "a:4222, b:4223"])(
    "accepts %s",
    (url) => {
      expect(readConfig({ NATS_URL: url }).natsUrl).toBe(url);
    },
  );

  test.each(["http://a:4222", "nats://a:4222,http://b", "a:port", "nats://a:4222,"])(
    "refuses %s",
    (url) => {
      expect(problems({ NATS_URL: url })).toEqual([
        "NATS_URL: must be nats://host:port, several separated by commas",
      ]);
    },
  );
});

describe("rules over several variables", () => {
  test("the window divides a day", () => {
    expect(problems({ WINDOW: "7m" })).toEqual([
      "WINDOW: 7m does not divide a day; use for example 1m, 5m, 1h",
    ]);
  });

  test("tokens are remembered for at least two windows", () => {
    expect(problems({ WINDOW: "1h", SESSION_MEMORY: "2h" })).toEqual([]);
    expect(problems({ WINDOW: "1h", SESSION_MEMORY: "7199s" })).toEqual([
      "SESSION_MEMORY: must be at least two windows (2h)",
    ]);
  });

  test("an admin listener that others can reach needs a token", () => {
    const problem = "ADMIN_TOKEN: must be set when ADMIN_HOST is not a loopback address";
    expect(problems({ ADMIN_HOST: "0.0.0.0" })).toEqual([problem]);
    expect(problems({ ADMIN_HOST: "0.0.0.0", ADMIN_TOKEN: "secret" })).toEqual([]);
    for (const token of ["a b", "ü", "a\tb"]) {
      expect(problems({ ADMIN_TOKEN: token })).toEqual([
        "ADMIN_TOKEN: must be printable ASCII without spaces",
      ]);
    }
    expect(problems({ ADMIN_HOST: "::1" })).toEqual([]);
  });

  test("the ports differ, as far as they are used", () => {
    expect(problems({ PORT: "9000", ADMIN_PORT: "9000" })).not.toEqual([]);
    expect(problems({ PORT: "54320" })).not.toEqual([]);
    expect(problems({ EMBEDDED_PG_PORT: "5", EMBEDDED_NATS_PORT: "5" })).not.toEqual([]);
    expect(problems({ PORT: "54320", DATABASE_URL: "postgres://host/db" })).toEqual([]);
    expect(problems({ PORT: "0", ADMIN_PORT: "0" })).toEqual([]);
  });

  test.each([
    ["127.0.0.1", true],
    ["127.1.2.3", true],
    ["localhost", true],
    ["::1", true],
    ["0.0.0.0", false],
    ["127.example.org", false],
    ["127.0.0.999", false],
    ["10.0.0.1", false],
  ])("%s is a loopback address: %p", (host, loopback) => {
    expect(isLoopback(host)).toBe(loopback);
  });
});

test("every problem is listed at once", () => {
  const env = { PORT: "x", WINDOW: "7m", PARTITIONS: "0", ROLES: "cook", NATS_URL: "http://a" };
  const found = problems(env);
  expect(found.map((problem) => problem.split(":")[0]).sort()).toEqual([
    "NATS_URL",
    "PARTITIONS",
    "PORT",
    "ROLES",
    "WINDOW",
  ]);
  expect(() => readConfig(env)).toThrow(/^bad configuration:(\n {2}- .+){5}$/);
});
