/** Small pieces of OpenAPI that the descriptions of queries and of the admin API are made of. */
import type { DocumentDecoration } from "elysia";

export type ApiParameter = NonNullable<DocumentDecoration["parameters"]>[number];
type InlineParameter = Extract<ApiParameter, { readonly name: string }>;
export type ApiSchema = NonNullable<InlineParameter["schema"]>;

export function text(description: string, example?: string) {
  return { type: "string" as const, description, ...(example !== undefined && { example }) };
}

export function time(description: string, example = "2026-01-31T10:10:00.000Z") {
  return {
    type: "string" as const,
    format: "date-time",
    description: `${description} ISO 8601, UTC, milliseconds.`,
    example,
  };
}

export function integer(description: string, example?: number) {
  return {
    type: "integer" as const,
    format: "int64",
    description,
    ...(example !== undefined && { example }),
  };
}

export function nullable<Schema extends object>(schema: Schema) {
  return { ...schema, nullable: true };
}

/** A nullable field that is null in the case that the example of the whole answer shows. */
export function nullInExample<Schema extends object>(schema: Schema) {
  return { ...nullable(schema), example: null };
}

/** An object whose fields are all always there. */
export function record(properties: Readonly<Record<string, ApiSchema>>) {
  return {
    type: "object" as const,
    required: Object.keys(properties),
    properties: { ...properties },
  };
}

/** An array of such objects. */
export function listed(properties: Readonly<Record<string, ApiSchema>>, description = "") {
  return { type: "array" as const, description, items: record(properties) };
}

export function queryParameter(name: string, schema: ApiSchema): ApiParameter {
  return { name, in: "query", required: false, schema };
}

export function pathParameter(name: string, schema: ApiSchema): ApiParameter {
  return { name, in: "path", required: true, schema };
}

/** @param same what must be as in the request that gave the cursor. */
export function cursorParameter(same: string): ApiParameter {
  return queryParameter(
    "cursor",
    text(`\`cursor\` of the page before. Good for the same ${same} only.`),
  );
}

/** A cursor as pages give it. */
export const cursorSchema = nullable(
  text(
    "Where the next page begins; null on the last page.",
    "WzIsIjFhLjJiIiwiMTc2OTg1NDIwMDAwMCIsIkN1c3RvbWVyMSIsImNoYW5uZWwxIl0",
  ),
);

/** @param of what an answer lists. */
export function limitParameter(
  of: string,
  bounds: { readonly minimum?: number; readonly maximum: number; readonly default: number },
): ApiParameter {
  return queryParameter("limit", { ...integer(`${of} at most.`), minimum: 1, ...bounds });
}

/** Customer and content as fields of an answer. */
export const nameSchemas = {
  customer: text("The broadcaster.", "Customer1"),
  content: text("The channel or video.", "channel1"),
};

/** Customer and content in the query. */
export const nameParameters = [
  queryParameter("customer", text("Exactly this customer.", "Customer1")),
  queryParameter("content", text("Exactly this content.", "channel1")),
];

export const requiredNameParameters = nameParameters.map((parameter) => ({
  ...parameter,
  required: true,
}));

/** Customer and content in the path. */
export const namePathParameters = ["customer", "content"].map((name) =>
  pathParameter(
    name,
    text(
      "Exactly this name, percent-encoded: a slash is %2F. Clients cannot send the names `.` and " +
        "`..` in a path; where they are meant, use the query parameters of the list.",
    ),
  ),
);

/** A JSON answer, described field by field. */
export function answer(description: string, properties: Readonly<Record<string, ApiSchema>>) {
  const schema = record(properties);
  return { description, content: { "application/json": { schema, example: exampleOf(schema) } } };
}

/**
 * The example of an answer, made of those of its fields. Where they have none, a choice gives its
 * first value, and a boolean true.
 * @throws when any other field has none.
 */
export function exampleOf(schema: ApiSchema): unknown {
  if ("$ref" in schema) throw new Error(`${schema.$ref} is not written out`);
  if (schema.example !== undefined) return schema.example;
  if (schema.enum !== undefined) return schema.enum[0];
  if (schema.type === "boolean") return true;
  if (schema.type === "array") return [exampleOf(schema.items)];
  if (schema.properties === undefined) throw new Error(`no example of: ${schema.description}`);
  return Object.fromEntries(
    Object.entries(schema.properties).map(([name, field]) => [name, exampleOf(field)]),
  );
}
