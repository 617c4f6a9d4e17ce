/** Makes payloads that are each recognisable, and odd enough to try the rules of sessions. */
import type { Random } from "../../simulator/random.ts";
import type { SentPayload } from "../verifier/posted.ts";

/** Customer and content; names that would hurt whoever puts them into a subject or into SQL. */
const actors = [
  ["Customer1", "channel1"],
  ["Customer1", "channel2"],
  ["Customer1", "channel.3"],
  ["Customer 2", "> *.late night"],
  ["Customer 2", 'it\'s "quoted"'],
  ["Customer 2", "; drop table stats; --"],
  ["Ünïcode ☃", "🎬 film"],
  ["Ünïcode ☃", "channel1"],
  ["a", "bc"],
  ["ab", "c"],
] as const;
const plainActors = 14;
const tokensKept = 400;

export class PayloadMaker {
  readonly #tokens: string[] = [];
  #ids = 0;
  #tokensMade = 0;

  constructor(
    private readonly random: Random,
    private readonly windowMs: number,
  ) {}

  make(keyed: boolean, actor: readonly [string, string] = this.#actor()): SentPayload {
    const { random } = this;
    const empty = random.chance(0.15);
    const bytes = () => (empty ? 0 : Math.floor(random.logNormal(2e6, 3)));
    return {
      id: ++this.#ids,
      token: this.#token(),
      customer: actor[0],
      content: actor[1],
      p2p: bytes(),
      cdn: bytes(),
      sessionDuration: Math.floor(random.uniform() * 2.5 * this.windowMs),
      keyed,
    };
  }

  #actor(): readonly [string, string] {
    const { random } = this;
    const odd = actors[random.below(actors.length + plainActors)];
    return odd ?? ["Customer3", `content ${random.below(plainActors)}`];
  }

  /** New sessions and running ones; now and then one that was silent for long. */
  #token(): string {
    const { random } = this;
    if (this.#tokens.length === 0 || random.chance(0.1)) {
      const token = `${random.uuid()}-${++this.#tokensMade}`;
      if (this.#tokens.length < tokensKept) this.#tokens.push(token);
      else this.#tokens[random.below(tokensKept)] = token;
      return token;
    }
    return this.#tokens[random.below(this.#tokens.length)] ?? "";
  }
}

/** The JSON that is sent; `timespan` carries the id. */
export function payloadJson(payload: SentPayload): string {
  const { id, token, customer, content, p2p, cdn, sessionDuration } = payload;
  return JSON.stringify({ token, customer, content, timespan: id, p2p, cdn, sessionDuration });
}
