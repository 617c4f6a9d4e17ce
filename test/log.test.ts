import { expect, test } from "bun:test";
import { boundedLines, createLog, errorMessage } from "../src/log.ts";

function collect(level: "debug" | "info" | "warn" | "error") {
  const lines: string[] = [];
  const log = createLog(
    level,
    (line) => lines.push(line),
    () => 0,
  );
  return { lines, log };
}

test("a line is one JSON object", () => {
  const { lines, log } = collect("info");
  log.info("two\nlines", { count: 1, total: 9_007_199_254_740_993n });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toEndWith("}\n");
  expect(JSON.parse(lines[0] ?? "")).toEqual({
    time: "1970-01-01T00:00:00.000Z",
    level: "info",
    message: "two\nlines",
    count: 1,
    total: "9007199254740993",
  });
});

test("no field takes the place of a line's time, level and message", () => {
  const { lines, log } = collect("info");
  const fields = { time: "later", level: "other", message: "another" };
  log.with(fields).info("this", fields);
  expect(JSON.parse(lines[0] ?? "")).toEqual({
    time: "1970-01-01T00:00:00.000Z",
    level: "info",
    message: "this",
  });
});

test("only lines of the level and above are written", () => {
  const { lines, log } = collect("warn");
  log.debug("no");
  log.info("no");
  log.warn("yes");
  log.error("yes");
  expect(lines).toHaveLength(2);
});

test("fields of the context stand in every line, the line's own win", () => {
  const { lines, log } = collect("debug");
  log.with({ partition: 3, owner: "a" }).with({ epoch: 7 }).debug("line", { owner: "b" });
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({ partition: 3, epoch: 7, owner: "b" });
});

test("errors are written as their messages and those of their causes", () => {
  const { lines, log } = collect("info");
  const error = new Error("commit failed", { cause: new Error("connection lost") });
  log.error("bad", { error });
  expect(JSON.parse(lines[0] ?? "").error).toBe("commit failed: connection lost");
});

test("while nobody reads, no more than the bound waits, and what is left out is told", () => {
  const written: (() => void)[] = [];
  const lines: string[] = [];
  const sink = {
    write: (line: string, done: () => void) => {
      lines.push(line);
      written.push(done);
    },
  };
  const write = boundedLines(sink, 20);
  for (let i = 0; i < 10; i++) write(`line number ${i}\n`);
  expect(lines).toEqual(["line number 0\n", "line number 1\n"]);
  for (const done of written.splice(0)) done();
  write("read again\n");
  expect(JSON.parse(lines[2] ?? "")).toMatchObject({ level: "warn", omitted: 8 });
  expect(lines.slice(3)).toEqual(["read again\n"]);
});

test("anything thrown has a message", () => {
  expect(errorMessage(new TypeError())).toBe("TypeError");
  expect(errorMessage("text")).toBe("text");
  expect(errorMessage(undefined)).toBe("undefined");
});
