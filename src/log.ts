/** The log: one JSON object a line. Tokens and bodies of payloads are never passed to it. */
import { type LogLevel, logLevels } from "./config.ts";

export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A log whose every line also carries these fields. */
  with(fields: LogFields): Log;
}

/** Writes lines of `level` and above with `write`; `now` gives the time in epoch ms. */
export function createLog(
  level: LogLevel,
  write: (line: string) => void,
  now: () => number,
  context: LogFields = {},
): Log {
  const threshold = logLevels.indexOf(level);
  const at =
    (lineLevel: LogLevel) =>
    (message: string, fields: LogFields = {}) => {
      if (logLevels.indexOf(lineLevel) < threshold) return;
      const time = new Date(now()).toISOString();
      const own = { time, level: lineLevel, message };
      // No field takes the place of what a line itself says.
      const line = { ...own, ...context, ...describeErrors(fields), ...own };
      write(`${JSON.stringify(line, bigintAsText)}\n`);
    };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: (fields) => createLog(level, write, now, { ...context, ...fields }),
  };
}

/** What lines of a log are written to; `written` is called when they have left this process. */
interface LineSink {
  write(line: string, written: () => void): unknown;
}

/** So many characters may wait for a reader that has stopped reading. */
const unreadMax = 4_194_304;

/** Writes lines. While nobody reads them, those over the bound are left out, which a line tells. */
export function boundedLines(sink: LineSink, charsMax = unreadMax): (line: string) => void {
  let unread = 0;
  let omitted = 0;
  const send = (line: string) => {
    unread += line.length;
    sink.write(line, () => {
      unread -= line.length;
    });
  };
  const own = createLog("warn", send, Date.now);
  return (line) => {
    if (unread > charsMax) {
      omitted++;
      return;
    }
    if (omitted > 0) own.warn("lines were left out here, since nobody read them", { omitted });
    omitted = 0;
    send(line);
  };
}

/** The log of a process, on stderr. */
export function stderrLog(level: LogLevel, context?: LogFields): Log {
  return createLog(level, boundedLines(process.stderr), Date.now, context);
}

/** For what says all that matters in another way. */
export const silentLog = createLog("error", () => {}, Date.now);

/** A message for people: the error's own and those of its causes. */
export function errorMessage(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `: ${errorMessage(error.cause)}`;
  return `${error.message || error.name}${cause}`;
}

function describeErrors(fields: LogFields): LogFields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      value instanceof Error ? errorMessage(value) : value,
    ]),
  );
}

function bigintAsText(_name: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}
