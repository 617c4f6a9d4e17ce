/** The port of questions about the past, for tests of what HTTP makes of its answers. */
import type {
  ExplainQuery,
  Explanation,
  FutureMoment,
  History,
  PastActor,
  PastMoment,
  ReceiptFate,
} from "../../src/actors/historyPorts.ts";
import type { ActorName } from "../../src/domain/actorName.ts";
import type { Receipt } from "../../src/domain/receipt.ts";

export class MemoryHistory implements History {
  explanation: Explanation | undefined;
  fate: ReceiptFate | undefined;
  past: PastActor | FutureMoment | undefined;
  failure: Error | undefined;
  readonly asked: unknown[] = [];

  async explain(query: ExplainQuery): Promise<Explanation | undefined> {
    return this.#answer(query, this.explanation);
  }

  async receipt(receipt: Receipt): Promise<ReceiptFate | undefined> {
    return this.#answer(receipt, this.fate);
  }

  async actorAt(name: ActorName, moment: PastMoment, events: number) {
    return this.#answer({ ...name, moment, events }, this.past);
  }

  #answer<Answer>(asked: unknown, answer: Answer): Answer {
    this.asked.push(asked);
    if (this.failure !== undefined) throw this.failure;
    return answer;
  }
}
