/** The dashboard: one page that polls the admin API of its own origin. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { Elysia } from "elysia";
import { text } from "./docParts.ts";
import { problemResponses } from "./openApi.ts";

/** The page says nothing about the system by itself, so it needs no token. */
export function dashboardController() {
  const page = readFileSync(new URL("dashboard.html", import.meta.url), "utf8");
  const headers = {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-cache",
    "content-security-policy": contentSecurityPolicy(page),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
  };
  return new Elysia({ name: "dashboard" }).get("/admin", () => new Response(page, { headers }), {
    detail: {
      tags: ["health"],
      summary: "The dashboard",
      description: "One page, without parts from elsewhere. It asks for the token when needed.",
      responses: {
        200: { description: "HTML.", content: { "text/html": { schema: html } } },
        ...problemResponses("forbidden"),
      },
    },
  });
}

const html = text("The page.");

/** Lets the page's own script and style run, and nothing that anyone could bring into it. */
function contentSecurityPolicy(page: string): string {
  return [
    "default-src 'none'",
    `script-src ${hashOf(page, "script")}`,
    `style-src ${hashOf(page, "style")}`,
    "img-src data:",
    "connect-src 'self'",
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

function hashOf(page: string, element: "script" | "style"): string {
  const inside = new RegExp(`<${element}>([^]*?)</${element}>`).exec(page)?.[1];
  if (inside === undefined) throw new Error(`the dashboard has no ${element}`);
  return `'sha256-${createHash("sha256").update(inside).digest("base64")}'`;
}
