// Forms of numbers and times that languages share.

/** `1 file`, `2 files`. */
export function count(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`;
}

/** A range of seconds in the unit that a person would use. */
export function span([low, high]: [number, number], units = { s: ' s', min: ' min', h: ' h' }): string {
  const [divisor, unit] = high < 90 ? [1, units.s] : high < 5400 ? [60, units.min] : [3600, units.h];
  const from = Math.max(Math.floor(low / divisor), divisor === 1 ? 1 : 0);
  const to = Math.max(Math.ceil(high / divisor), 1);
  return from < to ? `${from}–${to}${unit}` : `${to}${unit}`;
}
