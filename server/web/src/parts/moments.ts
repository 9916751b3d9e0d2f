const time = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long" });
const date = new Intl.DateTimeFormat(undefined, { dateStyle: "long" });
const dayAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

const DAY_MS = 24 * 60 * 60 * 1000;

/** "1 December". */
export function formatDay(moment: number): string {
  return day.format(moment);
}

/** "1 December 2026". */
export function formatDate(moment: number): string {
  return date.format(moment);
}

/** "14:02" for the last twenty hours, with the date before that. */
export function formatMoment(moment: number, now: number): string {
  return now - moment < DAY_MS - 4 * 60 * 60 * 1000 ? time.format(moment) : dayAndTime.format(moment);
}

/** The date and the time. */
export function formatDayAndTime(moment: number): string {
  return dayAndTime.format(moment);
}
