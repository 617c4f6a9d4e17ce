/**
 * Takes the log of the workers, for the trace of a replay, and looks for what must not be in it.
 */
import { PartitionHalted, PayloadGap } from "../../src/actors/ports.ts";
import { errorMessage, type Log, type LogFields } from "../../src/log.ts";
import type { Audit } from "./audit.ts";
import { SimulatedFailure } from "./network.ts";

export class SimulatedLog implements Log {
  constructor(
    private readonly audit: Audit,
    private readonly write: (line: string) => void,
    private readonly context: LogFields = {},
  ) {}

  debug(message: string, fields?: LogFields): void {
    this.#line(message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#line(message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#line(message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#line(message, fields);
  }

  with(fields: LogFields): Log {
    return new SimulatedLog(this.audit, this.write, { ...this.context, ...fields });
  }

  #line(message: string, fields: LogFields = {}): void {
    const { error, ...rest } = { ...this.context, ...fields };
    const text = error === undefined ? "" : `: ${errorMessage(error)}`;
    this.write(`${message}${text} ${JSON.stringify(rest)}`);
    if (error === undefined) return;
    if (error instanceof PartitionHalted || error instanceof PayloadGap) {
      this.audit.halted(Number(rest.partition), Number(rest.epoch), errorMessage(error));
    } else if (
      !(error instanceof SimulatedFailure) &&
      !errorMessage(error).startsWith("simulated")
    ) {
      // What was not injected is a broken assertion of ours.
      this.audit.violated(`${message}${text}`);
    }
  }
}
