/** Numbers for a monitoring system, in the Prometheus text format. */

export interface Sample {
  readonly name: string;
  readonly help: string;
  readonly kind: "counter" | "gauge";
  readonly values: readonly SampleValue[];
}

interface SampleValue {
  readonly labels?: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** A counter with one label, by the values of that. */
export function counter(
  name: string,
  help: string,
  label: string,
  counts: readonly (readonly [labelValue: string, count: number])[],
): Sample {
  const values = counts.map(([text, value]) => ({ labels: { [label]: text }, value }));
  return { name, help, kind: "counter", values };
}

export function gauge(name: string, help: string, value: number): Sample {
  return gauges(name, help, [{ value }]);
}

export function gauges(name: string, help: string, values: readonly SampleValue[]): Sample {
  return { name, help, kind: "gauge", values };
}

export function renderMetrics(samples: readonly Sample[]): string {
  return samples
    .map(({ name, help, kind, values }) => {
      const lines = values.map(({ labels, value }) => `${name}${renderLabels(labels)} ${value}`);
      return [`# HELP ${name} ${help}`, `# TYPE ${name} ${kind}`, ...lines].join("\n");
    })
    .concat("")
    .join("\n");
}

function renderLabels(labels: SampleValue["labels"]): string {
  if (labels === undefined) return "";
  const pairs = Object.entries(labels).map(([name, value]) => {
    const text = String(value).replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n");
    return `${name}="${text}"`;
  });
  return `{${pairs.join(",")}}`;
}
