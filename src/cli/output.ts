/** Results go to stdout, as a table for people or as JSON for programs; all else to stderr. */
import { styleText } from "node:util";
import Table from "cli-table3";
import { isObject, type JsonObject } from "../domain/json.ts";

export type OutputForm = "table" | "json";

/** A column: its heading, where its value stands in a row, and its colour on a terminal. */
export type Column = readonly [
  heading: string,
  value: string | ((row: JsonObject) => unknown),
  colour?: (row: JsonObject) => Colour | undefined,
];

type Colour = "red" | "green" | "yellow";

const noBorders = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "  ",
};

const fieldColumns: readonly Column[] = [
  ["FIELD", "field"],
  ["VALUE", "value"],
];

const progressMs = 500;

export class Output {
  /** Of the columns of a stream, once it has begun. */
  #widths: readonly number[] = [];
  #progressAt = performance.now();

  constructor(private readonly form: OutputForm) {}

  /** The whole answer as JSON, or some columns of its rows as a table. */
  rows(body: unknown, rows: readonly JsonObject[], columns: readonly Column[]): void {
    if (this.form === "json") this.#write(JSON.stringify(body, null, 2));
    else if (rows.length === 0) this.note("nothing found");
    else this.#write(tableOf(rows, columns));
  }

  /** The whole answer as JSON, or what `table` writes of it. */
  either(body: unknown, table: () => void): void {
    if (this.form === "json") this.#write(JSON.stringify(body, null, 2));
    else table();
  }

  /** One object: its fields, one a line, and those of objects within it under their path. */
  record(body: JsonObject): void {
    if (this.form === "json") this.#write(JSON.stringify(body, null, 2));
    else this.#write(tableOf(fieldsOf(body), fieldColumns));
  }

  /**
   * Some rows of a stream of results: lines of JSON, or rows below the headings that the first
   * ones get. Those that come later keep to the widths of the first ones as far as they fit.
   */
  stream(rows: readonly JsonObject[], columns: readonly Column[]): void {
    if (rows.length === 0) return;
    if (this.form === "json") {
      for (const row of rows) this.#write(JSON.stringify(row));
      return;
    }
    const [head = "", ...lines] = tableOf(rows, columns, this.#widths).split("\n");
    if (this.#widths.length === 0) this.#write(head);
    this.#widths = columns.map((column, at) =>
      Math.max(this.#widths[at] ?? 0, ...[column[0], ...rows.map(textIn(column))].map(widthOf)),
    );
    for (const line of lines) this.#write(line);
  }

  /** False when whoever read stdout has left. */
  get hasReader(): boolean {
    return process.stdout.writable;
  }

  /** For people: progress, and what to do next. */
  note(text: string): void {
    process.stderr.write(`${text}\n`);
  }

  /** For people: how far something has come, but not more often than can be read. */
  progress(text: () => string, isLast = false): void {
    const now = performance.now();
    if (now - this.#progressAt < progressMs && !isLast) return;
    this.#progressAt = now;
    this.note(text());
  }

  #write(text: string): void {
    process.stdout.write(`${text}\n`);
  }
}

/** @param widths of columns at least, in characters. */
function tableOf(
  rows: readonly JsonObject[],
  columns: readonly Column[],
  widths: readonly number[] = [],
): string {
  const head = columns.map(([heading]) => style("bold", heading));
  const table = new Table({
    head,
    chars: noBorders,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  for (const row of rows) {
    table.push(
      columns.map((column, at) => {
        const text = textIn(column)(row);
        const space = " ".repeat(Math.max(0, (widths[at] ?? 0) - widthOf(text)));
        const colour = column[2]?.(row);
        return (colour === undefined ? text : style(colour, text)) + space;
      }),
    );
  }
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/** Not where stdout is no terminal, or NO_COLOR is set. */
function style(kind: Colour | "bold", text: string): string {
  return styleText(kind, text, { stream: process.stdout });
}

function textIn([, value]: Column): (row: JsonObject) => string {
  return (row) => visible(cellOf(typeof value === "string" ? row[value] : value(row)));
}

/** What may turn a line around, break it or command a terminal is written out. */
function visible(text: string): string {
  const code = (sign: string) => `\\u{${sign.codePointAt(0)?.toString(16)}}`;
  return text.replace(/[\p{Cc}\p{Bidi_Control}\p{Zl}\p{Zp}\u{feff}]/gu, code);
}

function widthOf(text: string): number {
  return Bun.stringWidth(text);
}

function fieldsOf(body: JsonObject, path = ""): JsonObject[] {
  return Object.entries(body).flatMap(([name, value]) => {
    const field = `${path}${name}`;
    return isObject(value) ? fieldsOf(value, `${field}.`) : [{ field, value }];
  });
}

/** Lists and objects in a cell are written out, without the signs that JSON needs. */
function cellOf(value: unknown): string {
  if (value === null || value === undefined) return "-";
  if (Array.isArray(value)) return value.length === 0 ? "-" : value.map(cellOf).join(", ");
  if (!isObject(value)) return String(value);
  const texts = Object.entries(value).map(([field, inner]) => `${field}=${cellOf(inner)}`);
  return texts.length === 0 ? "-" : texts.join(" ");
}
