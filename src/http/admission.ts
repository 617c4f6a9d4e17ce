/** Bounds what ingest holds in memory: requests and bytes that are being read or stored. */
export interface AdmissionLimits {
  readonly requestsMax: number;
  readonly bytesMax: number;
}

export class Admission {
  #requests = 0;
  #bytes = 0;

  constructor(private readonly limits: AdmissionLimits) {}

  /** True when there is room; then `leave` has to be called with the same bytes. */
  enter(bytes: number): boolean {
    if (this.#requests >= this.limits.requestsMax) return false;
    if (this.#bytes + bytes > this.limits.bytesMax) return false;
    this.#requests++;
    this.#bytes += bytes;
    return true;
  }

  leave(bytes: number): void {
    this.#requests--;
    this.#bytes -= bytes;
  }
}
