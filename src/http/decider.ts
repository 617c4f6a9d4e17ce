/** Who decides: the admin token names nobody, so commands may say it. */
import { QueryReader } from "./queryParams.ts";

const unnamed = "admin API";

/** The query parameter `by`, which must be the only one. */
export function readDecider(url: string): string {
  const reader = new QueryReader(url, ["by"]);
  const by = reader.name("by");
  reader.finish();
  return by ?? unnamed;
}
