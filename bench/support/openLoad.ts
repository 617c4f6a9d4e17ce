/**
 * Single payloads that arrive by the clock whatever the answers do (open model), as lean as can
 * be: plain sockets, one request under way on each, latencies from the time a request was due.
 */

interface Options {
  readonly url: string;
  /** Payloads a second. */
  readonly rate: number;
  readonly seconds: number;
  readonly connections: number;
  /** Of the payload with this number, from 0 on. All its text is ASCII. */
  body(number: number): string;
  /** What a payload that was sent at a time, epoch ms, was answered with 202. */
  accepted?(number: number, sentAtMs: number, body: string): void;
}

interface Arrival {
  number: number;
  sentAtMs: number;
  text: string;
}

type Connection = Bun.Socket<Arrival>;

const head = "POST /stats HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
const closeBrace = 0x7d;
const decoder = new TextDecoder();

export class OpenLoad {
  readonly total: number;
  /** By number, how long after it was due each was sent and answered, ms. */
  readonly sentAfterMs: Float32Array;
  readonly answeredAfterMs: Float32Array;
  /** Payloads that were not answered with 202. */
  failed = 0;
  /** In turns, so that none is silent for so long that the server closes it. */
  readonly #free: Connection[] = [];
  readonly #done = Promise.withResolvers<void>();
  #startMs = 0;
  #next = 0;
  #answered = 0;

  constructor(private readonly options: Options) {
    this.total = options.rate * options.seconds;
    this.sentAfterMs = new Float32Array(this.total);
    this.answeredAfterMs = new Float32Array(this.total);
  }

  /** Just before the start, since a server closes connections that are silent for long. */
  async connect(): Promise<void> {
    const { hostname, port } = new URL(this.options.url);
    const lost = () => this.#giveUp("a connection was lost");
    const socket = {
      data: (from: Connection, chunk: Uint8Array) => this.#received(from, chunk),
      close: lost,
      error: lost,
    };
    for (let i = 0; i < this.options.connections; i++) {
      const data = { number: 0, sentAtMs: 0, text: "" };
      const connection = await Bun.connect({ hostname, port: Number(port), data, socket });
      this.#free.push(connection);
    }
  }

  /** Resolves when all are answered. */
  async run(): Promise<void> {
    this.#startMs = performance.now();
    const timer = setInterval(() => this.#sendDue(), 1);
    await this.#done.promise;
    clearInterval(timer);
  }

  #afterMs(number: number): number {
    return performance.now() - this.#startMs - (number / this.options.rate) * 1_000;
  }

  /** Sends everything that is due, as long as connections are free. */
  #sendDue(): void {
    const elapsedMs = performance.now() - this.#startMs;
    const due = Math.min(this.total, (elapsedMs / 1_000) * this.options.rate);
    while (this.#next < due) {
      const socket = this.#free.shift();
      if (socket === undefined) return;
      const number = this.#next++;
      socket.data.number = number;
      socket.data.sentAtMs = Date.now();
      this.sentAfterMs[number] = this.#afterMs(number);
      const body = this.options.body(number);
      const request = `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
      if (socket.write(request) !== request.length) this.#giveUp("a request was cut");
    }
  }

  #received(socket: Connection, chunk: Uint8Array): void {
    const arrival = socket.data;
    arrival.text += decoder.decode(chunk);
    if (chunk.at(-1) !== closeBrace) return;
    const { number, sentAtMs, text } = arrival;
    arrival.text = "";
    this.answeredAfterMs[number] = this.#afterMs(number);
    if (!text.startsWith("HTTP/1.1 202")) this.failed++;
    else this.options.accepted?.(number, sentAtMs, text.slice(text.lastIndexOf("{")));
    this.#answered++;
    if (this.#answered === this.total) this.#done.resolve();
    this.#free.push(socket);
    // What had to wait for a connection is late already and does not wait for the timer too.
    if (this.#free.length === 1) this.#sendDue();
  }

  #giveUp(why: string): never {
    const answered = `${this.#answered} of ${this.total} were answered`;
    process.stderr.write(`the load stops: ${why}, ${answered}\n`);
    process.exit(1);
  }
}
