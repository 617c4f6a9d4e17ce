/** The ports of the admin API in memory, for tests of what HTTP makes of them. */
import type {
  ProjectionCommandOutcome,
  ProjectionControl,
  ProjectionInfo,
  ProjectionPart,
  RebuildRequest,
} from "../../src/actors/projectionPorts.ts";
import type {
  ActorDirectory,
  ActorList,
  ActorQuery,
  ActorView,
  AdminQueries,
  EventQuery,
  PartitionInfo,
  RecordedEvent,
} from "../../src/actors/readPorts.ts";
import { byName } from "../../src/domain/actorName.ts";

export class MemoryActors implements ActorDirectory {
  readonly actors: ActorView[] = [];
  readonly asked: ActorQuery[] = [];
  silentPartitions: number[] = [];

  async list(query: ActorQuery): Promise<ActorList> {
    this.asked.push(query);
    const { customer, content, state, limit, after } = query;
    const found = this.actors
      .filter((actor) => customer === undefined || actor.customer === customer)
      .filter((actor) => content === undefined || actor.content === content)
      .filter((actor) => state === undefined || actor.state === state);
    const start = found.findIndex((actor) => after !== undefined && byName(actor, after) === 0) + 1;
    const actors = found.slice(start, start + limit);
    const last = start + limit < found.length ? actors.at(-1) : undefined;
    const next = last && { weight: "0", customer: last.customer, content: last.content };
    return { actors, next, total: found.length, silentPartitions: this.silentPartitions };
  }

  async get(customer: string, content: string): Promise<ActorView | undefined | "silent"> {
    if (this.silentPartitions.length > 0) return "silent";
    return this.actors.find((one) => one.customer === customer && one.content === content);
  }
}

export class MemoryAdminQueries implements AdminQueries {
  readonly recorded: RecordedEvent[] = [];
  readonly asked: EventQuery[] = [];
  readonly partitionRows: PartitionInfo[] = [];
  readonly projectionRows: ProjectionInfo[] = [];
  failure: Error | undefined;

  async partitions(): Promise<readonly PartitionInfo[]> {
    return this.#unlessFailing(this.partitionRows);
  }

  async events(query: EventQuery): Promise<readonly RecordedEvent[]> {
    this.asked.push(query);
    const { partition, customer, content, afterPosition = 0, limit } = query;
    const found = this.recorded
      .filter((event) => partition === undefined || event.partition === partition)
      .filter((event) => customer === undefined || event.customer === customer)
      .filter((event) => content === undefined || event.content === content)
      .filter((event) => event.position > afterPosition);
    return this.#unlessFailing(found.slice(0, limit));
  }

  async projections(): Promise<readonly ProjectionInfo[]> {
    return this.#unlessFailing(this.projectionRows);
  }

  #unlessFailing<Answer>(answer: Answer): Answer {
    if (this.failure !== undefined) throw this.failure;
    return answer;
  }
}

export class MemoryProjectionControl implements ProjectionControl {
  readonly commands: string[] = [];
  outcome: ProjectionCommandOutcome = "accepted";

  rebuild(name: string, request: RebuildRequest = {}) {
    return this.#run(`rebuild ${name} ${JSON.stringify(request)}`);
  }

  acceptDifferences(name: string) {
    return this.#run(`accept-diff ${name}`);
  }

  cancel(name: string) {
    return this.#run(`cancel ${name}`);
  }

  pause(name: string, part: ProjectionPart = "all") {
    return this.#run(`pause ${name} ${part}`);
  }

  resume(name: string, part: ProjectionPart = "all") {
    return this.#run(`resume ${name} ${part}`);
  }

  async #run(command: string): Promise<ProjectionCommandOutcome> {
    this.commands.push(command);
    return this.outcome;
  }
}
