/** Results go to stdout, as a table for people or as JSON for programs; all else to stderr. */
import { styleText } from "node:util";
import Table from "cli-table3";
import type { JsonObject } from "./json.ts";

export type OutputForm = "table" | "json";

/** A column: its heading, and where its value stands in a row. */
export type Column = readonly [heading: string, value: string | ((row: JsonObject) => unknown)];

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

export class Output {
  constructor(private readonly form: OutputForm) {}

  /** The whole answer as JSON, or some columns of its rows as a table. */
  rows(body: unknown, rows: readonly JsonObject[], columns: readonly Column[]): void {
    if (this.form === "json") this.#write(JSON.stringify(body, null, 2));
    else if (rows.length === 0) this.note("nothing found");
    else this.#write(tableOf(rows, columns));
  }

  /** What a table would have no row for. */
  json(body: unknown): void {
    if (this.form === "json") this.#write(JSON.stringify(body, null, 2));
  }

  /** The whole answer as JSON, or what `table` writes of it. */
  either(body: unknown, table: () => void): void {
    if (this.form === "json") this.#write(JSON.stringify(body, null, 2));
    else table();
  }

  /** One object: its fields, one a line. Objects within it are written as JSON. */
  record(body: JsonObject): void {
    if (this.form === "json") this.#write(JSON.stringify(body, null, 2));
    else
      this.#write(
        tableOf(fieldsOf(body), [
          ["FIELD", "field"],
          ["VALUE", "value"],
        ]),
      );
  }

  /** One row of a stream of results: a line of JSON, or a line of text. */
  line(body: JsonObject, text: string): void {
    this.#write(this.form === "json" ? JSON.stringify(body) : text);
  }

  /** For people: progress, and what to do next. */
  note(text: string): void {
    process.stderr.write(`${text}\n`);
  }

  #write(text: string): void {
    process.stdout.write(`${text}\n`);
  }
}

/** In the colour, unless stderr is no terminal or NO_COLOR is set. */
export function coloured(colour: "red" | "green" | "yellow", text: string): string {
  return styleText(colour, text, { stream: process.stdout });
}

function tableOf(rows: readonly JsonObject[], columns: readonly Column[]): string {
  const head = columns.map(([heading]) => styleText("bold", heading, { stream: process.stdout }));
  const table = new Table({
    head,
    chars: noBorders,
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
  });
  for (const row of rows) {
    table.push(
      columns.map(([, value]) => cellOf(typeof value === "string" ? row[value] : value(row))),
    );
  }
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

function fieldsOf(body: JsonObject): JsonObject[] {
  return Object.entries(body).map(([field, value]) => ({ field, value }));
}

function cellOf(value: unknown): string {
  if (value === null || value === undefined) return "-";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
