/** Draws the curves that the benchmarks have kept in `results` as pictures in `plots`. */
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { type Curve, drawCurve } from "./support/svg.ts";

const results = join(import.meta.dir, "results");
const plots = join(import.meta.dir, "plots");

/** The curve among the details of a result, if there is one. */
function curveOf(file: unknown): Curve | undefined {
  const details: unknown = Object(file).details;
  const { x, y, points } = Object(Object(details).curve);
  if (typeof x !== "string" || typeof y !== "string" || !Array.isArray(points)) return undefined;
  const pairs = points.map((point: unknown): readonly [number, readonly number[]] => {
    const [at, values] = Array.isArray(point) ? point : [];
    return [Number(at), Array.isArray(values) ? values.map(Number) : []];
  });
  const { question, machine } = Object(file);
  return { title: String(question), x, y, points: pairs, caption: String(Object(machine).date) };
}

mkdirSync(plots, { recursive: true });
for (const name of readdirSync(results).filter((one) => one.endsWith(".json"))) {
  const file: unknown = await Bun.file(join(results, name)).json();
  const curve = curveOf(file);
  if (curve !== undefined)
    await Bun.write(join(plots, name.replace(/json$/, "svg")), drawCurve(curve));
}
