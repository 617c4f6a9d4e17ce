import { Argument, type Command } from "commander";
import { isObject, type JsonObject } from "../../domain/json.ts";
import { projections } from "../../store/projections/registry.ts";
import { confirm } from "../confirm.ts";
import { CliFailure } from "../failure.ts";
import { objectsIn } from "../json.ts";
import type { Column, Output } from "../output.ts";
import { watchBuild } from "../projectionProgress.ts";
import { checkRange, time } from "../times.ts";
import { contextOf, example, yesOption } from "../verb.ts";

interface RebuildOptions {
  readonly acceptDiff?: boolean;
  readonly wait?: boolean;
  readonly yes?: boolean;
}

interface VerifyOptions {
  readonly from?: number;
  readonly to?: number;
  readonly customer?: string;
  readonly content?: string;
}

interface PartOptions {
  readonly rebuildOnly?: boolean;
}

/** Of rows that the events give, and the table has. */
const countColumns: readonly Column[] = [
  ["EQUAL", "equal"],
  ["MISSING", "missing"],
  ["EXTRA", "extra"],
  ["DIFFERENT", "different"],
];

const exampleColumns: readonly Column[] = [
  ["ROW", "kind"],
  ["LIVE", "live"],
  ["REBUILT", "rebuilt"],
];

const nameArgument = () =>
  new Argument("<name>", "its name").choices(projections.map(({ name }) => name));

export function addProjectionVerbs(program: Command): void {
  const projection = program
    .command("projection")
    .description("the tables that are made from the events")
    .addHelpText("after", example("projection rebuild stats"));
  addLooks(projection);
  addBuilds(projection);
  addSwitches(projection);
}

function addLooks(projection: Command): void {
  projection
    .command("ls")
    .description("list all projections")
    .addHelpText("after", example("projection ls"))
    .action(async (_options: unknown, command: Command) => {
      const { client, out } = contextOf(command);
      const body = await client.get("/admin/projections");
      out.rows(body, objectsIn(body, "projections"), [
        ["NAME", "name"],
        ["VERSION", "version"],
        ["STATE", "state"],
        ["APPLIED", "applied"],
        ["EVENTS", "events"],
        ["SEALED THROUGH", "sealedThrough"],
        ["BUILD", ({ rebuild }) => (isObject(rebuild) ? `${rebuild.kind}: ${rebuild.phase}` : "-")],
        ["DONE", ({ rebuild }) => (isObject(rebuild) ? `${rebuild.percent} %` : "-")],
      ]);
    });
  projection
    .command("show")
    .description("show one projection, with the report of its build")
    .addArgument(nameArgument())
    .addHelpText("after", example("projection show stats"))
    .action(async (name: string, _options: unknown, command: Command) => {
      const { client, out } = contextOf(command);
      const body = await client.get(`/admin/projections/${encodeURIComponent(name)}`);
      const { rebuild, lastRebuild } = body;
      out.either(body, () => {
        const shown = {
          rebuild: withoutExamples(rebuild),
          lastRebuild: withoutExamples(lastRebuild),
        };
        out.record({ ...body, ...shown });
        const rows = examplesOf(isObject(rebuild) ? rebuild : lastRebuild);
        if (rows.length > 0) out.rows(body, rows, exampleColumns);
      });
    });
}

function addBuilds(projection: Command): void {
  projection
    .command("rebuild")
    .description("make its table anew from the event log, while the old one is read")
    .addArgument(nameArgument())
    .option("--accept-diff", "let it take the old one's place also when they differ")
    .option("--no-wait", "only ask for it")
    .addOption(yesOption())
    .addHelpText("after", example("projection rebuild stats"))
    .action(async (name: string, options: RebuildOptions, command: Command) => {
      const { client, out } = contextOf(command);
      const { acceptDiff, wait, yes = false } = options;
      if (acceptDiff === true) await confirm(takesPlace(name), yes);
      const path = `/admin/projections/${encodeURIComponent(name)}`;
      const asked = await client.post(`${path}/rebuild`, { acceptDiff });
      if (wait === false) return out.record(asked);
      const ended = await watchBuild(client, name);
      show(out, ended);
      if (ended.waiting) {
        throw new CliFailure(
          "the tables differ, so the old one stays. Let the new one take its place with\n" +
            `  payload-stats projection accept-diff ${name}\nor end it with\n` +
            `  payload-stats projection cancel ${name}`,
        );
      }
      if (ended.build.outcome !== "swapped") {
        throw new CliFailure(`the rebuild was ${String(ended.build.outcome)}`);
      }
    });
  projection
    .command("verify")
    .description("compare its table with the event log, and change nothing")
    .addArgument(nameArgument())
    .option("--from <time>", "rows that begin at or after it", time)
    .option("--to <time>", "rows that begin before it", time)
    .option("--customer <name>", "only of exactly this customer")
    .option("--content <name>", "only of exactly this content")
    .addHelpText("after", example("projection verify stats --from 2026-01-31 --customer Customer1"))
    .action(async (name: string, options: VerifyOptions, command: Command) => {
      const { client, out } = contextOf(command);
      const { from, to, customer, content } = options;
      checkRange(command, options);
      const path = `/admin/projections/${encodeURIComponent(name)}`;
      await client.post(`${path}/verify`, { from, to, customer, content });
      const ended = await watchBuild(client, name);
      const report = show(out, ended);
      if (ended.build.outcome !== "verified") {
        throw new CliFailure(`the verification was ${String(ended.build.outcome)}`);
      }
      if (differences(report) > 0) throw new CliFailure("the table differs from the event log");
    });
}

function addSwitches(projection: Command): void {
  const partHelp = "only its build, not its table";
  for (const [verb, description] of [
    ["pause", "let its table stay as it is"],
    ["resume", "go on where it was paused"],
  ] as const) {
    projection
      .command(verb)
      .description(description)
      .addArgument(nameArgument())
      .option("--rebuild-only", partHelp)
      .addHelpText("after", example(`projection ${verb} stats`))
      .action(async (name: string, { rebuildOnly }: PartOptions, command: Command) => {
        const { client, out } = contextOf(command);
        const query = { part: rebuildOnly === true ? "rebuild" : undefined };
        const path = `/admin/projections/${encodeURIComponent(name)}/${verb}`;
        out.record(await client.post(path, query));
      });
  }
  for (const [verb, description, consequence] of [
    [
      "cancel",
      "end its build; the table that is read stays",
      (name: string) => `What was built of ${name} so far will be dropped.`,
    ],
    ["accept-diff", "let the rebuilt table take the place of one that differs", takesPlace],
  ] as const) {
    projection
      .command(verb)
      .description(description)
      .addArgument(nameArgument())
      .addHelpText("after", example(`projection ${verb} stats`))
      .addOption(yesOption())
      .action(async (name: string, { yes = false }: { yes?: boolean }, command: Command) => {
        const { client, out } = contextOf(command);
        await confirm(consequence(name), yes);
        out.record(await client.post(`/admin/projections/${encodeURIComponent(name)}/${verb}`));
      });
  }
}

function takesPlace(name: string): string {
  return `Rows of ${name} that differ from the event log will be replaced, and are not kept.`;
}

/** What the comparison counted, and the rows that differ. */
function show(out: Output, { build }: { readonly build: JsonObject }): JsonObject {
  const report = isObject(build.report) ? build.report : {};
  const rows = examplesOf(build);
  out.either(build, () => {
    if ("equal" in report) out.rows(build, [report], countColumns);
    if (rows.length > 0) out.rows(build, rows, exampleColumns);
  });
  return report;
}

/** The rows that a build found to differ. */
function examplesOf(build: unknown): JsonObject[] {
  const report = isObject(build) && isObject(build.report) ? build.report : {};
  const examples = isObject(report.examples) ? report.examples : {};
  return ["missing", "extra", "different"].flatMap((kind) =>
    kind in examples ? objectsIn(examples, kind).map((pair) => ({ kind, ...pair })) : [],
  );
}

function withoutExamples(build: unknown): unknown {
  if (!isObject(build) || !isObject(build.report)) return build;
  const { examples: _, ...counts } = build.report;
  return { ...build, report: counts };
}

function differences({ missing, extra, different }: JsonObject): number {
  return Number(missing) + Number(extra) + Number(different);
}
