/** Where a payload stands in the log of payloads. A device gets it as `7.1042.3`. */
export interface Receipt {
  readonly partition: number;
  /** The sequence of its message in the partition's stream. */
  readonly sequence: number;
  /** Its place in that message, from 0. */
  readonly index: number;
}

export function formatReceipt(receipt: Receipt): string {
  return `${receipt.partition}.${receipt.sequence}.${receipt.index}`;
}

/** The receipt that a text names; undefined when it names none. */
export function parseReceipt(text: string): Receipt | undefined {
  const match = /^(\d{1,4})\.(\d{1,15})\.(\d{1,7})$/.exec(text);
  if (match === null) return undefined;
  return { partition: Number(match[1]), sequence: Number(match[2]), index: Number(match[3]) };
}
