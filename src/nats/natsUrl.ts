/** `NATS_URL`, taken apart for the client, which reads no credentials and no scheme from it. */

export interface NatsAddress {
  /** host:port, without credentials, so that they may appear in messages. */
  readonly servers: string[];
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
  readonly tls?: Record<string, never>;
}

/**
 * One or several servers, separated by commas: `nats://host:4222`, `tls://user:secret@host`. The
 * credentials of the first server that has any count for all; a user alone is a token.
 */
export function parseNatsUrl(text: string): NatsAddress {
  const urls = text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part) => new URL(part.includes("://") ? part : `nats://${part}`));
  const servers = urls.map((url) => `${url.hostname}:${url.port || "4222"}`);
  const owner = urls.find((url) => url.username !== "");
  return {
    servers,
    ...(owner !== undefined && credentials(owner)),
    ...(urls.some((url) => url.protocol === "tls:") && { tls: {} }),
  };
}

/** A `NATS_URL` that may be printed: its servers, without credentials. */
export function natsAddress(text: string): string {
  const { servers, tls } = parseNatsUrl(text);
  return servers.map((server) => `${tls === undefined ? "nats" : "tls"}://${server}`).join(",");
}

function credentials(url: URL): Pick<NatsAddress, "user" | "pass" | "token"> {
  const user = decodeURIComponent(url.username);
  if (url.password === "") return { token: user };
  return { user, pass: decodeURIComponent(url.password) };
}
