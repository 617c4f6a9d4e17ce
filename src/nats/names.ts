/**
 * Names on the broker. Subjects carry partition numbers only: the client does not check subjects,
 * so a customer's name in one could end the connection or inject a command.
 */

/** The stream that holds a partition's payloads, for example `PAYLOADS_0007`. */
export function streamName(partition: number): string {
  return `PAYLOADS_${partitionDigits(partition)}`;
}

/** The subject that a partition's payloads are published to, for example `payloads.0007`. */
export function payloadSubject(partition: number): string {
  return `payloads.${partitionDigits(partition)}`;
}

/** The subject on which a partition's owner answers questions about its actors. */
export function actorSubject(partition: number): string {
  return `payload-stats.actors.${partition}`;
}

function partitionDigits(partition: number): string {
  return String(partition).padStart(4, "0");
}
