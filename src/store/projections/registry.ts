/** The projections. A new one is a file beside this one, and a line here. */
import { contentHourly } from "./contentHourly.ts";
import type { ProjectionDefinition } from "./definition.ts";
import { sessions } from "./sessions.ts";
import { stats } from "./stats.ts";

export const projections: readonly ProjectionDefinition[] = [stats, sessions, contentHourly];
