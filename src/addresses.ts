/** Addresses as the start-up log tells them. */

/** Where a listener is reached from its own host. */
export function baseUrl(host: string, port: number): string {
  const name = host === "0.0.0.0" || host === "::" ? "localhost" : host;
  return `http://${name.includes(":") ? `[${name}]` : name}:${port}`;
}

/** One or several URLs, as they may be printed. */
export function withoutPassword(urls: string | undefined): string {
  return (urls ?? "").replaceAll(/(\/\/[^/@:,]*):[^@/,]*@/g, "$1:…@");
}
