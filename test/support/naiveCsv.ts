/** A CSV reader of the simplest kind: one character at a time, as RFC 4180 says. */

export function readCsv(text: string): string[][] {
  const records: string[][] = [];
  let record: string[] = [];
  let field = "";
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    if (quoted) {
      if (char !== '"') field += char;
      else if (text.charAt(i + 1) === '"') field += text.charAt(i++);
      else quoted = false;
    } else if (char === '"') {
      quoted = true;
    } else if (char === ",") {
      record.push(field);
      field = "";
    } else if (char === "\r" && text.charAt(i + 1) === "\n") {
      records.push([...record, field]);
      record = [];
      field = "";
      i++;
    } else {
      field += char;
    }
  }
  return records;
}
