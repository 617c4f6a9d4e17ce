/** Answers questions about the past, a few at a time: each may read much of a stream. */
import type {
  ExplainQuery,
  Explanation,
  FutureMoment,
  History,
  PastActor,
  PastMoment,
  ReceiptFate,
} from "../actors/historyPorts.ts";
import { type ActorDirectory, PortBusy } from "../actors/readPorts.ts";
import type { ActorName } from "../domain/actorName.ts";
import type { Receipt } from "../domain/receipt.ts";
import { Semaphore } from "../semaphore.ts";
import { actorAt } from "./actorAt.ts";
import { whileDropped } from "./dropped.ts";
import { explain } from "./explain.ts";
import { followReceipt } from "./receipt.ts";
import type { Past } from "./sources.ts";

/** Replays that run, and that wait for their turn; more are refused. */
const runningMax = 2;
const waitingMax = 8;
/** Nobody waits for longer. */
const waitMs = 10 * 60_000;

export class ReplayedHistory implements History {
  readonly #places = new Semaphore(runningMax, waitingMax);

  constructor(
    private readonly past: Past,
    private readonly actors: Pick<ActorDirectory, "get">,
  ) {}

  explain(query: ExplainQuery): Promise<Explanation | undefined> {
    return this.#inTurn(() => explain(this.past, query));
  }

  receipt(receipt: Receipt): Promise<ReceiptFate | undefined> {
    return this.#inTurn(() => followReceipt(this.past, this.actors, receipt));
  }

  actorAt(
    name: ActorName,
    moment: PastMoment,
    events: number,
  ): Promise<PastActor | FutureMoment | undefined> {
    return this.#inTurn(() => actorAt(this.past, name, moment, events));
  }

  async #inTurn<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    if (!(await this.#places.acquire(waitMs))) {
      throw new PortBusy("Too many questions about the past are asked at once.");
    }
    try {
      return await whileDropped(this.past.clock, ask);
    } finally {
      this.#places.release();
    }
  }
}
