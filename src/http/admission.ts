/** Bounds what ingest holds in memory: requests and bytes that are being read or stored. */
export interface AdmissionLimits {
  readonly requestsMax: number;
  readonly bytesMax: number;
}

export class Admission {
  #requests = 0;
  #bytes = 0;

  constructor(private readonly limits: AdmissionLimits) {}

  /**
   * The place of a request that holds so many bytes; undefined when there is no room. One that will
   * grow finds none in the second half of it, so that those that are in can.
   */
  enter(bytes: number, willGrow = false): Place | undefined {
    const { requestsMax, bytesMax } = this.limits;
    if (this.#requests >= requestsMax || (willGrow && this.#bytes + bytes > bytesMax / 2)) return;
    if (!this.grow(bytes)) return undefined;
    this.#requests++;
    return new Place(this, bytes);
  }

  /** False when there is no room for so many bytes more. */
  grow(bytes: number): boolean {
    if (this.#bytes + bytes > this.limits.bytesMax) return false;
    this.#bytes += bytes;
    return true;
  }

  leave(bytes: number): void {
    this.#requests--;
    this.#bytes -= bytes;
  }
}

/** What one request takes of the room. */
export class Place {
  constructor(
    private readonly admission: Admission,
    private bytes: number,
  ) {}

  /** False when there is no room for so many bytes more, and it takes no more then. */
  grow(bytes: number): boolean {
    if (!this.admission.grow(bytes)) return false;
    this.bytes += bytes;
    return true;
  }

  /** Gives all back, once. */
  leave(): void {
    this.admission.leave(this.bytes);
  }
}
