/** A thread that goes wrong in the way that its publisher's id says. */
import { expose } from "comlink";
import type { PublicThread } from "../../src/serving/publicThread.ts";

const forever = () => new Promise<never>(() => {});
let way = "";
let asked = 0;

const thread: PublicThread = {
  async start({ publisherId }, first) {
    way = publisherId;
    if (way === "refuses") throw new Error("no broker answers");
    if (way === "never starts") await forever();
    if (way === "fails early") {
      void first.failed("a bug");
      await forever();
    }
    if (way === "fails") setTimeout(() => first.failed("a bug"), 0);
    if (way === "ends") setTimeout(() => process.exit(1), 0);
    if (way === "hangs") {
      setTimeout(() => {
        for (;;);
      }, 0);
    }
  },
  state: () => ({
    accepted: ++asked,
    refused: new Map(),
    full: [],
    unanswered: [],
    connected: true,
  }),
  close: async () => (way === "never stops" ? forever() : undefined),
  finish: async () => (way === "never stops" ? forever() : undefined),
};

expose(thread);
