/** The rules of the house that a program can check. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const root = join(import.meta.dir, "..");
const linesMax = 320;

const files = [...new Bun.Glob("{src,test,bench}/**/*.ts").scanSync({ cwd: root })]
  .filter((path) => !path.endsWith(".d.ts"))
  .map((path) => ({
    path,
    text: readFileSync(join(root, path), "utf8"),
  }));
const sources = files.filter(({ path }) => path.startsWith("src/"));

/**
 * What a folder may import of our own; packages by name. A folder that is not here may anything.
 */
const allowed: Readonly<Record<string, readonly RegExp[]>> = {
  "src/domain": [/^src\/domain\//, /^xstate$/],
  "src/actors": [/^src\/(actors|domain)\//, /^src\/log\.ts$/],
  "src/http": [
    /^src\/(http|domain)\//,
    /^src\/actors\/(ports|readPorts|operatorPorts|projectionPorts|historyPorts|whatIfPorts)\.ts$/,
    /^src\/(log|config|errorCode)\.ts$/,
    /^package\.json$/,
    /^(elysia|@elysiajs\/swagger|node:.*)$/,
  ],
  "src/nats": [
    /^src\/(nats|domain)\//,
    /^src\/actors\/(ports|readPorts|operatorPorts|projectionPorts|historyPorts|whatIfPorts)\.ts$/,
    /^src\/(log|inTime|semaphore)\.ts$/,
    /^(nats|nats\/.*|node:.*)$/,
  ],
  "src/store": [
    /^src\/(store|domain)\//,
    /^src\/actors\/(ports|readPorts|operatorPorts|projectionPorts|historyPorts|whatIfPorts)\.ts$/,
    /^src\/(log|inTime|semaphore|errorCode)\.ts$/,
    /^(postgres|node:.*)$/,
  ],
  "src/replay": [/^src\/(replay|actors|domain)\//, /^src\/(log|inTime|semaphore)\.ts$/],
  "src/simulator": [
    /^src\/(simulator|domain)\//,
    /^src\/(log|errorCode|semaphore)\.ts$/,
    /^node:.*$/,
  ],
};

/** Paths from the root for our own files, names for packages. */
function importsOf(path: string, text: string): string[] {
  return [...text.matchAll(/^(?:import|(?:import|export|\}).* from) "([^"]+)"/gm)].map(
    ([, name = ""]) => fileOf(path, name),
  );
}

/** What is imported by name, as `file#name`. */
function namesImported(path: string, text: string): string[] {
  return [...text.matchAll(/^import (?:type )?\{([^}]*)\} from "(\.[^"]+)"/gm)].flatMap(
    ([, names = "", file = ""]) =>
      [...names.matchAll(/(\w+)(?: as \w+)?(?:,|\s*$)/g)].map(
        ([, name]) => `${fileOf(path, file)}#${name}`,
      ),
  );
}

function fileOf(path: string, name: string): string {
  return name.startsWith(".") ? join(dirname(path), name) : name;
}

describe("imports point inward", () => {
  test.each(sources.map(({ path, text }) => [path, text] as const))("%s", (path, text) => {
    const folder = Object.keys(allowed).find((name) => path.startsWith(`${name}/`));
    const rules = folder === undefined ? undefined : allowed[folder];
    const wrong = importsOf(path, text).filter(
      (name) => rules !== undefined && !rules.some((rule) => rule.test(name)),
    );
    expect(wrong).toEqual([]);
  });
});

describe("every source file", () => {
  test("is imported by another one, or is started by name", () => {
    const imported = new Set(sources.flatMap(({ path, text }) => importsOf(path, text)));
    const started = /^src\/(main\.ts|cli\/[^/]+\.ts)$/;
    const dead = sources.filter(({ path }) => !imported.has(path) && !started.test(path));
    expect(dead.map(({ path }) => path)).toEqual([]);
  });
  test("has lines that fit on a page", () => {
    const wide = sources.flatMap(({ path, text }) =>
      text.split("\n").flatMap((line, at) => (line.length > 100 ? [`${path}:${at + 1}`] : [])),
    );
    expect(wide).toEqual([]);
  });
  test("is short enough to be read at once", () => {
    const long = sources.filter(({ text }) => text.split("\n").length > linesMax);
    expect(long.map(({ path }) => path)).toEqual([]);
  });
  test("leaves the environment to config.ts and the entry points", () => {
    const readers = sources.filter(({ text }) => /process\.env|Bun\.env/.test(text));
    const allowedReaders = /^src\/(main\.ts|cli\/|cluster\/|embedded\/)/;
    expect(readers.map(({ path }) => path).filter((path) => !allowedReaders.test(path))).toEqual(
      [],
    );
  });
  test("has no switched-off type", () => {
    const odd = sources.filter(({ text }) =>
      /\bas any\b|: any\b|@ts-ignore|@ts-expect-error/.test(text),
    );
    expect(odd.map(({ path }) => path)).toEqual([]);
  });
});

test("no file exports what it alone uses", () => {
  const imported = new Set(files.flatMap(({ path, text }) => namesImported(path, text)));
  const exported = files.flatMap(({ path, text }) =>
    [
      ...text.matchAll(
        /^export (?:async |abstract )?(?:const|function\*?|class|interface|type) (\w+)/gm,
      ),
    ].map(([, name]) => `${path}#${name}`),
  );
  expect(exported.filter((name) => !imported.has(name))).toEqual([]);
});
