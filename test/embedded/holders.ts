/** Starts holders (see holder.ts) and listens to what they say. */
import { join } from "node:path";
import { dataDirectory, freePort } from "../support/servers.ts";
import { until } from "../support/until.ts";

export interface Holder {
  readonly pid: number;
  readonly dataDir: string;
  readonly pgPort: number;
  readonly natsPort: number;
  /** Resolves with a field of the first message that has it; fails if the holder dies before. */
  hears(field: string): Promise<unknown>;
  /** Kills the holder, or its whole process group. */
  kill(signal: NodeJS.Signals, whom: "process" | "group"): void;
  readonly exited: Promise<number>;
}

const script = join(import.meta.dir, "holder.ts");

/**
 * @param given a directory that exists, for its data.
 * @param prefix words before the command, to run it as another user for example.
 */
export async function startHolder(given?: string, prefix: readonly string[] = []): Promise<Holder> {
  const dataDir = given ?? (await dataDirectory());
  const [pgPort, natsPort] = [await freePort(), await freePort()];
  const child = Bun.spawn(
    [...prefix, process.execPath, script, dataDir, String(pgPort), String(natsPort)],
    { stdin: "ignore", stdout: "pipe", stderr: "inherit", detached: true },
  );
  const messages: Record<string, unknown>[] = [];
  listen(child.stdout, messages);
  const hears = (field: string) =>
    until(
      () => {
        const message = messages.find((candidate) => field in candidate);
        if (message === undefined && child.exitCode !== null) throw new Error("the holder ended");
        return message?.[field];
      },
      { what: `the holder says ${field}`, timeoutMs: 30_000 },
    );
  return {
    pid: child.pid,
    dataDir,
    pgPort,
    natsPort,
    hears,
    kill: (signal, whom) => process.kill(whom === "group" ? -child.pid : child.pid, signal),
    exited: child.exited,
  };
}

async function listen(
  stream: ReadableStream<Uint8Array>,
  messages: Record<string, unknown>[],
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) messages.push(JSON.parse(line));
  }
}
