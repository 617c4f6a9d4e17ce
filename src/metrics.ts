/** Numbers for a monitoring system, in the Prometheus text format. */

export interface Sample {
  readonly name: string;
  readonly help: string;
  readonly kind: "counter" | "gauge";
  readonly values: readonly SampleValue[];
}

export interface SampleValue {
  readonly labels?: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** A counter with one label, whose values come to be as they are counted. */
export class Counter {
  readonly #values = new Map<string, number>();

  constructor(
    readonly name: string,
    readonly help: string,
    readonly label: string,
  ) {}

  add(labelValue: string, amount: number): void {
    this.#values.set(labelValue, (this.#values.get(labelValue) ?? 0) + amount);
  }

  get sample(): Sample {
    const values = [...this.#values].map(([text, value]) => ({
      labels: { [this.label]: text },
      value,
    }));
    return { name: this.name, help: this.help, kind: "counter", values };
  }
}

type Source = () => readonly Sample[] | Promise<readonly Sample[]>;

/** Collects the samples of all parts of a process. */
export class Metrics {
  readonly #sources: Source[] = [];

  /** Asks `source` at every rendering. */
  watch(source: Source): void {
    this.#sources.push(source);
  }

  async render(): Promise<string> {
    const samples = await Promise.all(this.#sources.map((source) => source()));
    return renderMetrics(samples.flat());
  }
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
