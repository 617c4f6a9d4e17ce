/**
 * A request's URL begins with what its Host header says. Without one, as health checks in
 * HTTP/1.0 send it, the URL is a bare path, in which a router would look for the path behind a
 * host that is not there.
 */
import { Problem } from "./problem.ts";

/** The request with a URL that can be read, or why there is none. */
export function withOrigin(request: Request): Request | Problem {
  if (URL.canParse(request.url)) return request;
  // No route looks at the host in the URL; who cares for it reads the header.
  const url = URL.parse(`http://localhost${request.url}`);
  if (request.url.startsWith("/") && url !== null) return new Request(url.href, request);
  return new Problem("invalid-request", "The Host header is malformed.");
}
