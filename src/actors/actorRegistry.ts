import { WindowActor } from "./windowActor.ts";

/** An idle actor is passivated when it had no payload for this many windows. */
const idleWindowsMax = 2;

/** The living window actors of a partition, by name. */
export class ActorRegistry {
  /** Maps and not objects, since a customer may well be called `__proto__`. */
  readonly #customers = new Map<string, Map<string, WindowActor>>();
  #size = 0;

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
