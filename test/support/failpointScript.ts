/** The stream that every failpoint is tried on, and what must come of it by the naive model. */
import { connect } from "nats";
import { partitionOf } from "../../src/domain/digest.ts";
import { payloadSubject } from "../../src/nats/names.ts";
import type { NaiveMessage, NaivePayload } from "./naiveModel.ts";
import { streamOf } from "./streams.ts";

export interface Script {
  readonly partitions: number;
  readonly windowMs: number;
}

type Given = Pick<NaivePayload, "token"> & Partial<NaivePayload>;

/** A payload that the worker must quarantine: nobody has an empty token. */
export function isMalformed({ token }: NaivePayload): boolean {
  return token === "";
}

/** Three contents of each partition. */
function contentsOf({ partitions }: Script): ReadonlyMap<number, readonly string[]> {
  const contents = new Map<number, string[]>();
  let full = 0;
  for (let i = 0; full < partitions; i++) {
    const partition = partitionOf("Customer1", `channel-${i}`, partitions);
    const found = contents.get(partition) ?? [];
    contents.set(partition, found);
    if (found.length === 3) continue;
    if (found.push(`channel-${i}`) === 3) full += 1;
  }
  return contents;
}

/**
 * The messages of each window. Tokens come back in later windows, a key and two whole messages are
 * repeated, and a session without bytes is sent twice, which the session rule counts twice.
 */
function windowsOf(contents: readonly string[]): readonly (readonly NaiveMessage[])[] {
  const [a = "", b = "", c = ""] = contents;
  const payload = (content: string, given: Given): NaivePayload => ({
    ...{ customer: "Customer1", content, timespan: 30_000, p2p: 1, cdn: 10, sessionDuration: 2 },
    ...given,
  });
  const message = (number: number, ...payloads: readonly NaivePayload[]): NaiveMessage => ({
    ...{ timeMs: 0, publisher: "p", number, payloads },
  });
  const silent = payload(b, { token: "b1", cdn: 0, p2p: 0 });
  const keyed = payload(a, { token: "a2", cdn: 100, key: `${a} a2` });
  const second = message(2, payload(a, { token: "a1", p2p: 2 }), silent, keyed);
  const fifth = message(5, payload(c, { token: "c1", cdn: 7 }), silent, keyed);
  return [
    [message(1, payload(a, { token: "a1" }), silent), second, second],
    [
      message(3, payload(a, { token: "a1", cdn: 20 }), payload(b, { token: "b2", p2p: 3 })),
      message(4, payload(c, { token: "" }), payload(c, { token: "c1", sessionDuration: 0 })),
      ...[fifth, fifth],
      message(6, payload(b, { token: "b1", cdn: 5 })),
    ],
    [
      message(7, payload(c, { token: "c1" }), payload(a, { token: "a3" })),
      message(8, payload(a, { token: "a3", cdn: 0, p2p: 0 }), payload(b, { token: "b2" })),
    ],
  ];
}

/**
 * Sends the script to every partition, each window after the one before has ended by the broker's
 * clock, and waits until the last has ended too. What a partition gets in a window is sent in one
 * go, just after a boundary, so that it is in one window of the broker's.
 */
export async function sendScript(natsUrl: string, script: Script): Promise<void> {
  const { partitions, windowMs } = script;
  const connection = await connect({ servers: natsUrl });
  const contents = contentsOf(script);
  const scripts = Array.from({ length: partitions }, (_, i) => windowsOf(contents.get(i) ?? []));
  for (let window = 0; window < 3; window++) {
    await Bun.sleep(windowMs - (Date.now() % windowMs));
    const sending = scripts.flatMap((windows, partition) =>
      (windows[window] ?? []).map((message) => {
        const [encoded] = streamOf([message], 0);
        return connection.jetstream().publish(payloadSubject(partition), encoded?.data);
      }),
    );
    await Promise.all(sending);
  }
  await Bun.sleep(windowMs);
  await connection.close();
}
