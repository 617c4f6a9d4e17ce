import type { Command } from "commander";
import type { AdminClient } from "../adminClient.ts";
import {
  checkConfig,
  checkDisk,
  checkNats,
  checkPort,
  checkPostgres,
  checkService,
  type Finding,
  finding,
} from "../doctor/checks.ts";
import { CliFailure } from "../failure.ts";
import type { CliSettings, Environment } from "../settings.ts";
import { contextOf, example } from "../verb.ts";

const colours = { ok: "green", warning: "yellow", bad: "red" } as const;

/** Exit code 1 when anything is bad; warnings are for people to weigh. */
export function addDoctorVerb(program: Command, settings: CliSettings): void {
  program
    .command("doctor")
    .description("check configuration, ports, servers, versions, clocks and durability")
    .addHelpText("after", example("doctor"))
    .action(async (_options: unknown, command: Command) => {
      const { client, out } = contextOf(command);
      const findings = await examine(client, settings.env);
      const rows = findings.map((one) => ({ ...one }));
      out.rows({ findings }, rows, [
        ["CHECK", "check"],
        ["RESULT", "result", ({ result }) => colourOf(result)],
        ["DETAIL", "detail"],
      ]);
      const bad = findings.filter(({ result }) => result === "bad").length;
      if (bad > 0) throw new CliFailure(`${bad} of ${findings.length} checks are bad`);
    });
}

async function examine(client: AdminClient, env: Environment): Promise<Finding[]> {
  const { config, findings } = checkConfig(env);
  findings.push(finding("bun", "ok", `version ${Bun.version}`));
  findings.push(...(await checkService(client)));
  if (config === undefined) return findings;
  const { host, port, adminHost, adminPort, dataDir } = config;
  const usesDataDir = config.databaseUrl === undefined || config.natsUrl === undefined;
  const postgres = await checkPostgres(config);
  return [
    ...findings,
    ...(await Promise.all([
      checkPort("PORT", host, port, "/stats"),
      checkPort("ADMIN_PORT", adminHost, adminPort, "/admin/partitions"),
      ...(usesDataDir ? [checkDisk(dataDir)] : []),
    ])),
    ...postgres.findings,
    ...(await checkNats(config, postgres.partitions)),
  ];
}

function colourOf(result: unknown) {
  return result === "ok" || result === "warning" ? colours[result] : colours.bad;
}
