/** CSV as RFC 4180 has it: CRLF after every record, quotes doubled inside quoted fields. */

export const csvContentType = "text/csv; charset=utf-8; header=present";

/**
 * Names are kept byte for byte: one that starts with `=`, `+`, `-` or `@` is not altered, so a
 * reader that opens the file in a spreadsheet imports the columns as text.
 */
export function csvText(records: Iterable<readonly string[]>): string {
  let text = "";
  for (const record of records) text += `${record.map(csvField).join(",")}\r\n`;
  return text;
}

function csvField(value: string): string {
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
