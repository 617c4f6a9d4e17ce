/** Where the embedded servers answer. */
import { loopback } from "./ports.ts";

export const databaseName = "payload_stats";

export function embeddedDatabaseUrl(port: number): string {
  return `postgres://postgres@${loopback}:${port}/${databaseName}`;
}

export function embeddedNatsUrl(port: number): string {
  return `nats://${loopback}:${port}`;
}
