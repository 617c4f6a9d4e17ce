/** Where a payload stands in the log of payloads. A device gets it as `7.1042.3`. */
export interface Receipt {
  readonly partition: number;
  /** The sequence of its message in the partition's stream. */
  readonly sequence: number;
  /** Its place in that message, from 0. */
  readonly index: number;
}

/**
 * Where something quarantined was found: `7.1042.3` a payload, `7.1042` a whole message. `@1`
 * behind it says in which incarnation of the stream, when its sequences started over after an
 * accepted loss.
 */
export interface QuarantinePlace {
  readonly partition: number;
  readonly sequence: number;
  /** -1 for a whole message. */
  readonly index: number;
  /** Undefined: the newest one that there is. */
  readonly incarnation: number | undefined;
}

export function formatReceipt(receipt: Receipt): string {
  return `${receipt.partition}.${receipt.sequence}.${receipt.index}`;
}

const number = (digitsMax: number) => `(0|[1-9]\\d{0,${digitsMax - 1}})`;
const message = `${number(4)}\\.${number(15)}`;
const receiptForm = new RegExp(`^${message}\\.${number(7)}$`);
const placeForm = new RegExp(`^${message}(?:\\.${number(7)})?(?:@${number(9)})?$`);

/** The receipt that a text names; undefined when it names none. */
export function parseReceipt(text: string): Receipt | undefined {
  const match = receiptForm.exec(text);
  if (match === null) return undefined;
  return { partition: Number(match[1]), sequence: Number(match[2]), index: Number(match[3]) };
}

export function formatPlace({ partition, sequence, index, incarnation }: QuarantinePlace): string {
  const message = `${partition}.${sequence}`;
  const place = index < 0 ? message : `${message}.${index}`;
  return incarnation === undefined || incarnation === 0 ? place : `${place}@${incarnation}`;
}

/** The place that a text names; undefined when it names none. */
export function parsePlace(text: string): QuarantinePlace | undefined {
  const match = placeForm.exec(text);
  if (match === null) return undefined;
  const [, partition, sequence, index, incarnation] = match;
  return {
    partition: Number(partition),
    sequence: Number(sequence),
    index: index === undefined ? -1 : Number(index),
    incarnation: incarnation === undefined ? undefined : Number(incarnation),
  };
}
