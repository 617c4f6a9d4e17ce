/**
 * Who may use the admin listener. With a token, whoever has it, since no browser adds it by itself.
 * Without one, whoever can reach a loopback address; since the browser of a developer can too, two
 * doors are shut to web pages: a name that was made to resolve to 127.0.0.1 (DNS rebinding), and
 * posts from another origin.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { isLoopback } from "../config.ts";
import { Problem } from "./problem.ts";

/** What answers without a token: neither says anything about the system. */
const openPaths: ReadonlySet<string> = new Set(["/livez", "/admin"]);
const safeMethods: ReadonlySet<string> = new Set(["GET", "HEAD"]);

/** Returns why a request is refused; undefined when it is not. */
export function createAdminGuard(
  adminToken: string | undefined,
): (request: Request) => Problem | undefined {
  const expected = adminToken === undefined ? undefined : digest(adminToken);
  return (request) => {
    if (expected !== undefined) return missingToken(request, expected);
    return strangeHost(request) ?? strangeOrigin(request);
  };
}

function missingToken(request: Request, expected: Buffer): Problem | undefined {
  const isSafe = safeMethods.has(request.method);
  if (isSafe && openPaths.has(new URL(request.url).pathname)) return undefined;
  const header = request.headers.get("authorization") ?? "";
  const token = /^Bearer +(\S+) *$/i.exec(header)?.[1];
  // Digests have one length, so the time of the comparison tells nothing about the token.
  if (token !== undefined && timingSafeEqual(digest(token), expected)) return undefined;
  return new Problem("unauthorized", "The Authorization header must carry the admin token.", {
    headers: { "www-authenticate": 'Bearer realm="payload-stats admin"' },
  });
}

function strangeHost({ headers }: Request): Problem | undefined {
  const url = URL.parse(`http://${headers.get("host") ?? ""}`);
  if (url !== null && isLoopback(url.hostname.replace(/^\[|\]$/g, ""))) return undefined;
  return new Problem(
    "forbidden",
    "Without ADMIN_TOKEN the Host must be localhost or a loopback address.",
  );
}

function strangeOrigin({ method, headers }: Request): Problem | undefined {
  if (safeMethods.has(method)) return undefined;
  const origin = headers.get("origin");
  const site = headers.get("sec-fetch-site");
  const isOwnOrigin = origin === null || URL.parse(origin)?.host === headers.get("host");
  const isOwnSite = site === null || site === "same-origin" || site === "none";
  if (isOwnOrigin && isOwnSite) return undefined;
  return new Problem("forbidden", "Requests from pages of another origin are refused.");
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
