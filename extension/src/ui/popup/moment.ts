/** A moment, in milliseconds since 1970, as the time of its day: "14:02:11". */
export function timeOfDay(at: number): string {
  return new Intl.DateTimeFormat(undefined, { timeStyle: "medium" }).format(at);
}

/** How long ago something was, in the unit that says most. */
export function agoInWords(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 120) return `${seconds} s ago`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min ago` : `${Math.round(minutes / 60)} h ago`;
}
