/**
 * Under which SESSION_MEMORY events were made. Workers note theirs when they start, and each event
 * says which worker sealed it; of workers from before there were such notes nothing is known.
 */
import type { MemorySpan, SealedMemory } from "../actors/historyPorts.ts";
import type { Database } from "./database.ts";

const deadlineMs = 60_000;

/** To be called before the worker commits anything. */
export async function noteSessionMemory(
  database: Database,
  worker: string,
  { sessionMemoryMs }: { readonly sessionMemoryMs: number },
): Promise<void> {
  await database.run(
    (sql) => sql`
      insert into session_memories (worker, session_memory_ms)
      values (${worker}, ${sessionMemoryMs})
      on conflict (worker) do nothing
    `,
  );
}

/** Of the worker that started last; undefined when none has noted it. */
export async function newestSessionMemory(database: Database): Promise<number | undefined> {
  const [row] = await database.run(
    (sql) => sql<{ session_memory_ms: bigint }[]>`
      select session_memory_ms from session_memories order by noted_at desc limit 1
    `,
  );
  return row && Number(row.session_memory_ms);
}

/** Of windows that end after one time and at or before another, in their order. */
export async function memorySpans(
  database: Database,
  partition: number,
  afterMs: number,
  throughMs: number,
): Promise<readonly MemorySpan[]> {
  const rows = await database.run(
    (sql) => sql<{ first_end: Date; session_memory_ms: bigint | null }[]>`
      select min(e.window_end) as first_end, m.session_memory_ms
      from events e
      left join session_memories m on m.worker = e.sealed_by
      where e.partition = ${partition} and e.type = 'WindowSealed'
        and e.window_end > ${new Date(Math.max(afterMs, 0))}
        and e.window_end <= ${new Date(throughMs)}
      group by e.epoch, e.sealed_by, m.session_memory_ms
      order by first_end
    `,
    deadlineMs,
  );
  return rows.map(({ first_end, session_memory_ms }) => ({
    firstEndMs: first_end.getTime(),
    sessionMemoryMs: numberOf(session_memory_ms),
  }));
}

/** Of the last sealed window that ends at or before a time. */
export async function memoryThrough(
  database: Database,
  partition: number,
  timeMs: number,
): Promise<SealedMemory | undefined> {
  const [row] = await database.run(
    (sql) => sql<{ window_end: Date; session_memory_ms: bigint | null }[]>`
      select e.window_end, m.session_memory_ms
      from events e
      left join session_memories m on m.worker = e.sealed_by
      where e.partition = ${partition} and e.type = 'WindowSealed'
        and e.window_end <= ${new Date(timeMs)}
      order by e.window_end desc limit 1
    `,
  );
  return (
    row && {
      windowEndMs: row.window_end.getTime(),
      sessionMemoryMs: numberOf(row.session_memory_ms),
    }
  );
}

function numberOf(value: bigint | null): number | undefined {
  return value === null ? undefined : Number(value);
}
