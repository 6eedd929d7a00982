/** Dates of header fields (RFC 5322 §3.3 and §4.3), read as mail programs read them. */

export interface DateTime {
  readonly atMs: number;
  readonly zoneMinutes: number;
  /** A zone there is: minutes below 60, within the day's halves, or a name of RFC 5322 §4.3. */
  readonly isZoneReal: boolean;
}

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const FORM =
  /^(?:[A-Za-z]{3,9},? {0,2})?(\d{1,2}) {1,2}([A-Za-z]{3})[a-z]{0,6} {1,2}(\d{2}|\d{4}) {1,2}(\d{1,2}):(\d{2})(?::(\d{2}))?(?: {1,2}([+-])(\d{2})(\d{2})\b| {1,2}([A-Za-z]{1,5})\b)?/;
const ZONES: Readonly<Record<string, number>> = {
  ...{ ut: 0, utc: 0, gmt: 0, z: 0, est: -300, edt: -240, cst: -360, cdt: -300 },
  ...{ mst: -420, mdt: -360, pst: -480, pdt: -420, bst: 60, ist: 60, cet: 60, cest: 120 },
};

/** @param text unfolded; `null` when it is no date. */
export function parseDateTime(text: string): DateTime | null {
  const match = FORM.exec(text.slice(0, 80).replaceAll("\t", " ").trimStart());
  if (match === null) return null;
  const [, day, monthName, yearText, hour, minute, second, sign, zoneHours, zoneMinutes, zoneName] =
    match;
  const month = MONTHS.indexOf(monthName.toLowerCase());
  const year = yearText.length === 4 ? Number(yearText) : twoDigitYear(Number(yearText));
  if (month < 0 || Number(hour) > 24 || Number(minute) > 59 || Number(day) > 31) return null;
  const local = Date.UTC(year, month, +day, +hour, +minute, Number(second ?? 0));
  if (sign === undefined) {
    const zone = ZONES[zoneName?.toLowerCase() ?? ""];
    return {
      atMs: local - (zone ?? 0) * 60_000,
      zoneMinutes: zone ?? 0,
      isZoneReal: zone !== undefined,
    };
  }
  const zone = (sign === "-" ? -1 : 1) * (Number(zoneHours) * 60 + Number(zoneMinutes));
  const isZoneReal = Number(zoneMinutes) % 15 === 0 && Number(zoneMinutes) < 60 && zone >= -720 &&
    zone <= 840;
  return { atMs: local - zone * 60_000, zoneMinutes: zone, isZoneReal };
}

/** RFC 5322 §4.3. */
function twoDigitYear(year: number): number {
  return year < 50 ? 2000 + year : 1900 + year;
}
