/** Which servers the service with these settings would use. */
import type { Config } from "../config.ts";
import { embeddedDatabaseUrl, embeddedNatsUrl } from "../embedded/addresses.ts";

export function databaseUrlOf({ databaseUrl, embeddedPgPort }: Config): string {
  return databaseUrl ?? embeddedDatabaseUrl(embeddedPgPort);
}

export function natsUrlOf({ natsUrl, embeddedNatsPort }: Config): string {
  return natsUrl ?? embeddedNatsUrl(embeddedNatsPort);
}
