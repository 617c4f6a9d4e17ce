/** What every verb is made of: a command with an example, run with a client and an output. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { fitsHeader } from "../config.ts";
import { AdminClient } from "./adminClient.ts";
import { CliFailure } from "./failure.ts";
import { Output, type OutputForm } from "./output.ts";

interface GlobalOptions {
  readonly admin: string;
  readonly token?: string;
  readonly output: OutputForm;
}

/** The context of a command that is being run, by the global options. */
export function contextOf(command: Command) {
  const { admin, token, output } = command.optsWithGlobals<GlobalOptions>();
  if (token !== undefined && !fitsHeader(token)) {
    throw new CliFailure("the admin token must be printable ASCII without spaces", 2);
  }
  if (!URL.canParse(admin)) {
    throw new CliFailure(`ADMIN_HOST and ADMIN_PORT make no address: ${admin}`, 2);
  }
  return { client: new AdminClient(admin.replace(/\/+$/, ""), token), out: new Output(output) };
}

export function example(line: string): string {
  return `\nExample:\n  payload-stats ${line}\n`;
}

export const yesOption = () => new Option("-y, --yes", "do not ask");

/** Reads an integer from 0 on. */
export const count = integerFrom(0);

/** Reads an integer from 1 on. */
export const ordinal = integerFrom(1);

/** Reads an integer of a range. */
export function integerFrom(min: number, max?: number): (text: string) => number {
  return numberLike(/^\d{1,15}$/, "an integer", min, max);
}

/** Reads a number of a range, which may have a fraction. */
export function numberFrom(min: number, max: number): (text: string) => number {
  return numberLike(/^\d{1,15}(\.\d{1,15})?$/, "a number", min, max);
}

function numberLike(form: RegExp, kind: string, min: number, max = Number.POSITIVE_INFINITY) {
  const range = max === Number.POSITIVE_INFINITY ? `${min}` : `${min} to ${max}`;
  return (text: string) => {
    const value = form.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be ${kind} from ${range}.`);
  };
}

export function httpUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new InvalidArgumentError("It must be a URL that begins with http:// or https://.");
  }
  return text;
}
