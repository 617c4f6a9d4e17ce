/** A curve as an SVG picture: both axes logarithmic, medians as a line, all rounds as dots. */
import { shortNumber, spreadOf } from "./numbers.ts";

export interface Curve {
  readonly title: string;
  readonly caption: string;
  readonly x: string;
  readonly y: string;
  readonly points: readonly (readonly [x: number, values: readonly number[]])[];
}

const [width, height] = [640, 400];
const [left, right, top, bottom] = [80, 20, 40, 60];

export function drawCurve({ title, caption, x, y, points }: Curve): string {
  const xs = scale(
    points.map(([at]) => at),
    left,
    width - right,
  );
  const ys = scale(
    points.flatMap(([, values]) => values),
    height - bottom,
    top,
  );
  const line = points
    .map(([at, values]) => `${xs.place(at)},${ys.place(spreadOf(values).median)}`)
    .join(" ");
  const dots = points.flatMap(([at, values]) =>
    values.map((value) => `<circle cx="${xs.place(at)}" cy="${ys.place(value)}" r="3"/>`),
  );
  const marks = [
    ...xs.ticks.map((at) => text(xs.place(at), height - bottom + 20, shortNumber(at))),
    ...ys.ticks.map((at) => text(left - 10, ys.place(at) + 4, shortNumber(at), "end")),
    ...ys.ticks.map(
      (at) =>
        `<line x1="${left}" x2="${width - right}" y1="${ys.place(at)}" y2="${ys.place(at)}" ` +
        `stroke="#ddd"/>`,
    ),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" ` +
      `font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    text(width / 2, 22, escapeText(title)),
    ...marks,
    text((left + width) / 2, height - 20, escapeText(`${x} (${caption})`)),
    `<g transform="rotate(-90 16 ${height / 2})">${text(16, height / 2, escapeText(y))}</g>`,
    `<polyline points="${line}" fill="none" stroke="#06c" stroke-width="2"/>`,
    `<g fill="#06c" fill-opacity="0.5">${dots.join("")}</g>`,
    "</svg>\n",
  ].join("\n");
}

/** Powers of ten, and a place between `from` and `to` for every positive value. */
function scale(values: readonly number[], from: number, to: number) {
  const logs = values.filter((value) => value > 0).map(Math.log10);
  const low = Math.floor(Math.min(...logs));
  const high = Math.max(Math.ceil(Math.max(...logs)), low + 1);
  const place = (value: number) =>
    Math.round((from + ((Math.log10(value) - low) / (high - low)) * (to - from)) * 10) / 10;
  return { place, ticks: Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)) };
}

function text(x: number, y: number, content: string, anchor = "middle"): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}">${content}</text>`;
}

function escapeText(raw: string): string {
  return raw.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
