/** Bounds what ingest holds in memory: requests and bytes that are being read or stored. */
export interface AdmissionLimits {
  readonly requestsMax: number;
  readonly bytesMax: number;
}

export class Admission {
  #requests = 0;
  #bytes = 0;
  /** Those of them that came in while a body was read. */
  #grownBytes = 0;

  constructor(private readonly limits: AdmissionLimits) {}

  /**
   * The share of a request that holds so many bytes; undefined when there is no room.
   * @param willGrow then there is none either while those that grow hold half of it, so that others
   *   which begin leave them some to end in.
   */
  enter(bytes: number, willGrow = false): Share | undefined {
    const { requestsMax, bytesMax } = this.limits;
    if (this.#requests >= requestsMax || this.#bytes + bytes > bytesMax) return undefined;
    if (willGrow && this.#grownBytes > bytesMax / 2) return undefined;
    this.#requests++;
    this.#bytes += bytes;
    return new Share(this, bytes);
  }

  /** False when there is no room for so many bytes more. */
  grow(bytes: number): boolean {
    if (this.#bytes + bytes > this.limits.bytesMax) return false;
    this.#bytes += bytes;
    this.#grownBytes += bytes;
    return true;
  }

  leave(bytes: number, grownBytes: number): void {
    this.#requests--;
    this.#bytes -= bytes + grownBytes;
    this.#grownBytes -= grownBytes;
  }
}

/** What one request takes of the room. */
export class Share {
  #grownBytes = 0;

  constructor(
    private readonly admission: Admission,
    private readonly bytes: number,
  ) {}

  /** False when there is no room for so many bytes more, and it takes no more then. */
  grow(bytes: number): boolean {
    if (!this.admission.grow(bytes)) return false;
    this.#grownBytes += bytes;
    return true;
  }

  /** Gives all back, once. */
  leave(): void {
    this.admission.leave(this.bytes, this.#grownBytes);
  }
}
