import { describe, expect, test } from "bun:test";
import { baseUrl } from "../src/http/server.ts";
import { natsAddress } from "../src/nats/natsUrl.ts";
import { postgresAddress } from "../src/store/open.ts";

describe("addresses that are printed", () => {
  test.each([
    ["postgres://user:secret@host:5432/db", "postgres://user@host:5432/db"],
    ["postgres://user:sec,ret@host/db", "postgres://user@host/db"],
    ["postgres://user:sec@ret@host/db", "postgres://user@host/db"],
    ["postgres://host/db?user=me&password=secret", "postgres://host/db"],
    ["postgres://postgres@127.0.0.1:54320/payload_stats", undefined],
  ])("hold no password of Postgres: %s", (url, address = url) => {
    expect(postgresAddress(url)).toBe(address);
  });

  test.each([
    ["nats://user:secret@a:4222,nats://b", "nats://a:4222,nats://b:4222"],
    ["user:secret@a", "nats://a:4222"],
    ["nats://token@a", "nats://a:4222"],
    ["tls://user:sec@ret@a:4443", "tls://a:4443"],
    ["nats://127.0.0.1:42220", undefined],
  ])("hold no credentials of NATS: %s", (url, address = url) => {
    expect(natsAddress(url)).toBe(address);
  });

  test("say how a listener is reached from its own host", () => {
    expect(baseUrl("0.0.0.0", 8080)).toBe("http://localhost:8080");
    expect(baseUrl("::1", 8081)).toBe("http://[::1]:8081");
    expect(baseUrl("10.0.0.7", 8080)).toBe("http://10.0.0.7:8080");
  });
});
