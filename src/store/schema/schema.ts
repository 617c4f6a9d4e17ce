/**
 * The tables and functions of the database, as an empty one gets them. Text is compared bytewise
 * everywhere (collate "C"): the order of names must not depend on the locale of the server.
 */
import acceptLoss from "./functions/accept_loss.sql" with { type: "text" };
import applyEvents from "./functions/apply_events.sql" with { type: "text" };
import claimRetry from "./functions/claim_retry.sql" with { type: "text" };
import commitPartition from "./functions/commit_partition.sql" with { type: "text" };
import compareRebuild from "./functions/compare_rebuild.sql" with { type: "text" };
import copyPrivileges from "./functions/copy_privileges.sql" with { type: "text" };
import dropRebuild from "./functions/drop_rebuild.sql" with { type: "text" };
import endRebuild from "./functions/end_rebuild.sql" with { type: "text" };
import ensureSettings from "./functions/ensure_settings.sql" with { type: "text" };
import eventData from "./functions/event_data.sql" with { type: "text" };
import finishImport from "./functions/finish_import.sql" with { type: "text" };
import prepareRebuild from "./functions/prepare_rebuild.sql" with { type: "text" };
import projectionSource from "./functions/projection_source.sql" with { type: "text" };
import refuseChangeOfEvents from "./functions/refuse_change_of_events.sql" with { type: "text" };
import refuseEventVersion from "./functions/refuse_event_version.sql" with { type: "text" };
import renewLease from "./functions/renew_lease.sql" with { type: "text" };
import stageEvents from "./functions/stage_events.sql" with { type: "text" };
import startImport from "./functions/start_import.sql" with { type: "text" };
import swapRebuild from "./functions/swap_rebuild.sql" with { type: "text" };
import windowLength from "./functions/window_length.sql" with { type: "text" };
import withinLimits from "./functions/within_limits.sql" with { type: "text" };
import events from "./tables/events.sql" with { type: "text" };
import partitions from "./tables/partitions.sql" with { type: "text" };
import projections from "./tables/projections.sql" with { type: "text" };
import settings from "./tables/settings.sql" with { type: "text" };

/** What others refer to comes first. */
const tables = [settings, partitions, refuseChangeOfEvents, events, projections];

const functions = [
  ensureSettings,
  // Partitions: leases, commits, and what operators decide.
  renewLease,
  commitPartition,
  acceptLoss,
  claimRetry,
  // Events of any version.
  refuseEventVersion,
  eventData,
  // Projections and their rebuilds.
  windowLength,
  withinLimits,
  projectionSource,
  applyEvents,
  prepareRebuild,
  compareRebuild,
  swapRebuild,
  endRebuild,
  dropRebuild,
  copyPrivileges,
  // Imports.
  startImport,
  stageEvents,
  finishImport,
];

export const schema = [...tables, ...functions].join("\n");
