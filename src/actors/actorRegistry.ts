import { isText } from "../domain/payload.ts";
import { WindowActor } from "./windowActor.ts";

/** An idle actor is passivated when it had no payload for this many windows. */
const idleWindowsMax = 2;

/** The living window actors of a partition, by name. */
export class ActorRegistry {
  /** Maps and not objects, since a customer may well be called `__proto__`. */
  readonly #customers = new Map<string, Map<string, WindowActor>>();
  #size = 0;

  /** @param belongsHere false for an actor of another partition. */
  constructor(private readonly belongsHere: (customer: string, content: string) => boolean) {}

  get size(): number {
    return this.#size;
  }

  find(customer: string, content: string): WindowActor | undefined {
    return this.#customers.get(customer)?.get(content);
  }

  /** The actor of that name, activated when it does not live. */
  activate(customer: string, content: string): WindowActor {
    let contents = this.#customers.get(customer);
    if (contents === undefined) {
      contents = new Map();
      this.#customers.set(customer, contents);
    }
    let actor = contents.get(content);
    if (actor === undefined) {
      actor = new WindowActor(customer, content);
      contents.set(content, actor);
      this.#size++;
    }
    return actor;
  }

  /**
   * The actors that a batch names, in pairs of customer and content. Undefined where a name cannot
   * be kept, and for an actor of another partition, which only a foreign message can name: two
   * partitions that seal the same actor would keep each other from committing.
   */
  resolve(names: readonly unknown[]): (WindowActor | undefined)[] {
    const actors: (WindowActor | undefined)[] = [];
    for (let i = 0; i < names.length; i += 2) {
      const [customer, content] = [names[i], names[i + 1]];
      const areTexts = typeof customer === "string" && typeof content === "string";
      const known = areTexts ? this.find(customer, content) : undefined;
      const isNew = known === undefined && isText(customer) && isText(content);
      const admitted = isNew && this.belongsHere(customer, content);
      actors.push(admitted ? this.activate(customer, content) : known);
    }
    return actors;
  }

  *all(): Generator<WindowActor> {
    for (const contents of this.#customers.values()) yield* contents.values();
  }

  /** Lets go of actors that have been idle for long; what they need later is in the events. */
  passivate(windowIndex: number): void {
    for (const [customer, contents] of this.#customers) {
      for (const [content, actor] of contents) {
        if (actor.state !== "idle" || windowIndex - actor.lastWindow <= idleWindowsMax) continue;
        contents.delete(content);
        this.#size--;
      }
      if (contents.size === 0) this.#customers.delete(customer);
    }
  }
}

/** True when a batch's list of names holds good ones at the index of an actor. */
export function namesActor(names: readonly unknown[], index: unknown): boolean {
  return typeof index === "number" && isText(names[index * 2]) && isText(names[index * 2 + 1]);
}
