/** Devices that send through publishers, and send again what was not acknowledged. */
import type { Broker } from "./broker.ts";
import { Devices, pick, type SentPayload } from "./devices.ts";
import type { Network } from "./network.ts";
import { type PublisherEvents, SimulatedPublisher } from "./publisher.ts";
import type { Scenario } from "./scenario.ts";

/** Messages that no publisher of ours has sent. */
const foreignTexts = [
  "{",
  "7",
  `{"v":2}`,
  `{"v":1,"publisher":"p","number":1,"payloads":[0]}`,
  "\0",
];

export class Traffic {
  readonly devices: Devices;
  readonly #publishers: SimulatedPublisher[] = [];
  readonly #gone: SimulatedPublisher[] = [];
  #publishersStarted = 0;
  #foreign = 0;
  /** Payloads that a device is going to send again. */
  #repeating = 0;
  #calm = false;

  constructor(
    private readonly scenario: Scenario,
    private readonly network: Network,
    private readonly broker: Broker,
  ) {
    const { windowMs, partitions, actors } = scenario;
    this.devices = new Devices(network.random, windowMs, partitions, actors);
    for (let i = 0; i < scenario.publishers; i++) this.#publishers.push(this.#startPublisher());
  }

  /** Plans all messages of the run. */
  plan(): void {
    const { scenario, network } = this;
    const busyMs = scenario.trafficMs * scenario.busyPart;
    for (let i = 0; i < scenario.messages; i++) {
      const partition = network.random.below(scenario.partitions);
      this.sendAt(network.random.uniform() * busyMs, partition);
    }
  }

  /** Plans a message. */
  sendAt(atMs: number, partition: number): void {
    const { scheduler } = this.network;
    scheduler.after(atMs - scheduler.nowMs, () => this.#send(this.devices.send(partition)));
  }

  heal(): void {
    this.#calm = true;
    for (const publisher of this.#publishers) publisher.heal();
  }

  /** True when nothing will be stored any more. */
  get settled(): boolean {
    const all = [...this.#publishers, ...this.#gone];
    return this.#repeating === 0 && all.every(({ pending }) => pending === 0);
  }

  crashPublisher(): void {
    const at = this.network.random.below(this.#publishers.length);
    const [crashed] = this.#publishers.splice(at, 1, this.#startPublisher());
    if (crashed === undefined) return;
    this.#gone.push(crashed);
    crashed.crash();
  }

  foreignMessage(): void {
    if (this.broker.away !== "no") return;
    const { random } = this.network;
    const meaning = { payloads: [], sent: [], poison: 1, publisher: "foreign" };
    const number = ++this.#foreign;
    const partition = random.below(this.scenario.partitions);
    this.broker.publish(partition, pick(random, foreignTexts), { ...meaning, number }, "stored");
  }

  #startPublisher(): SimulatedPublisher {
    const { scenario, network, broker } = this;
    const events: PublisherEvents = {
      acknowledged: (payloads) => this.#acknowledged(payloads),
      failed: (payloads) => this.#sendAgain(payloads),
    };
    const id = `publisher-${++this.#publishersStarted}`;
    const { partitions, publishing } = scenario;
    return new SimulatedPublisher(id, partitions, network, broker, publishing, events);
  }

  #send(payloads: readonly SentPayload[]): void {
    const first = payloads[0];
    if (first === undefined) return;
    pick(this.network.random, this.#publishers).append(first.actor.partition, payloads);
  }

  #acknowledged(payloads: readonly SentPayload[]): void {
    for (const payload of payloads) payload.acknowledged = true;
    // Of some the device has not seen the answer, and asks again.
    if (this.network.random.chance(0.3)) this.#sendAgain(payloads);
  }

  #sendAgain(payloads: readonly SentPayload[]): void {
    const again = payloads.filter((payload) => payload.retriesLeft-- > 0);
    if (again.length === 0 || this.#calm) return;
    const { scheduler, random, coverage } = this.network;
    coverage.count("device: sent again with its key");
    this.#repeating++;
    scheduler.after(random.between(0, 1.5) * this.scenario.windowMs, () => {
      this.#repeating--;
      this.#send(again);
    });
  }
}
