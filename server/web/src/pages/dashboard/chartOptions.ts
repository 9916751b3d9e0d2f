import type { ByteUnit } from "@atlantic/shared/look/bytes.ts";
import uPlot from "uplot";
import type { UsageRange } from "../../api/queries.ts";

interface ChartWishes {
  /** Where the chart stands: its colours are read there. */
  readonly element: HTMLElement;
  readonly width: number;
  readonly unit: ByteUnit;
  readonly range: UsageRange;
  /** Told which bucket the pointer is over; null when it has left. */
  readonly onPoint: (index: number | null) => void;
}

const HEIGHT = 220;
const HOUR = 3600;

/** The steps of the time axis in seconds, and how a step is named. */
const timeSteps: Readonly<Record<UsageRange, { steps: number[]; format: Intl.DateTimeFormatOptions }>> = {
  day: { steps: [3 * HOUR, 6 * HOUR, 12 * HOUR], format: { hour: "2-digit", minute: "2-digit" } },
  week: { steps: [24 * HOUR, 48 * HOUR], format: { weekday: "short" } },
  month: { steps: [24 * HOUR * 5, 24 * HOUR * 10], format: { day: "numeric", month: "short" } },
};

export function chartOptions({ element, width, unit, range, onPoint }: ChartWishes): uPlot.Options {
  const colour = coloursAt(element);
  const { steps, format } = timeSteps[range];
  const moments = new Intl.DateTimeFormat(undefined, format);
  const bytes = new Intl.NumberFormat(undefined, { style: "unit", unit, unitDisplay: "short" });
  const axis = {
    stroke: colour("--ink-3"),
    font: `11px ${getComputedStyle(element).fontFamily}`,
    ticks: { show: false },
  };
  // A bucket is one sum over its whole stretch, so it is drawn level.
  const level = uPlot.paths.stepped?.({ align: 1 });
  const bucket = { width: 2, points: { show: false }, ...(level ? { paths: level } : {}) };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    padding: [12, 8, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: { y: { range: (_, __, largest) => [0, largest > 0 ? largest * 1.1 : 1] } },
    axes: [
      {
        ...axis,
        size: 26,
        grid: { show: false },
        space: 56,
        incrs: steps,
        values: (_, splits) => splits.map((second) => moments.format(second * 1000)),
      },
      {
        ...axis,
        size: 64,
        // Half a byte is nothing.
        ...(unit === "byte" ? { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500] } : {}),
        grid: { stroke: colour("--line"), width: 1 },
        values: (_, splits) => splits.map((value) => bytes.format(value)),
      },
    ],
    series: [
      {},
      { ...bucket, stroke: colour("--accent"), fill: colour("--accent-soft") },
      { ...bucket, stroke: colour("--ink-3"), dash: [4, 3] },
    ],
    hooks: { setCursor: [(plot) => onPoint(plot.cursor.idx ?? null)] },
  };
}

/** Reads the look's colours as the browser computes them: a canvas does not know `light-dark()`. */
function coloursAt(element: HTMLElement): (name: string) => string {
  return (name) => {
    const probe = document.createElement("span");
    probe.style.color = `var(${name})`;
    element.append(probe);
    const colour = getComputedStyle(probe).color;
    probe.remove();
    return colour;
  };
}
