/** What scores of sorted messages say about who gave them. */

export interface Scored {
  readonly label: "ham" | "spam";
  readonly points: number;
}

export interface Figures {
  readonly ham: number;
  readonly spam: number;
  /** The probability that a spam has more points than a ham; a tie counts half. */
  readonly auc: number;
  /** From as many points on as the filter itself takes for spam. */
  readonly atDefault: OperatingPoint;
  /** The point where most spam is above, with no more ham above than given. */
  readonly best: readonly OperatingPoint[];
}

export interface OperatingPoint {
  readonly points: number;
  readonly hamAbove: number;
  readonly spamAbove: number;
}

/** Shares of ham that may be above. */
export const HAM_SHARES = [0, 0.001, 0.002, 0.005] as const;

export function figuresOf(scored: readonly Scored[], defaultPoints: number): Figures {
  const of = (label: Scored["label"]) =>
    Float64Array.from(scored.filter((one) => one.label === label), ({ points }) => points).sort();
  const [ham, spam] = [of("ham"), of("spam")];
  return {
    ham: ham.length,
    spam: spam.length,
    auc: areaUnderCurve(ham, spam),
    atDefault: pointAt(defaultPoints, ham, spam),
    best: HAM_SHARES.map((share) => {
      const spared = Math.floor(share * ham.length);
      // Just above the first ham that has to be below.
      const limit = ham[ham.length - 1 - spared];
      const points = spam.find((points) => points > limit) ?? Infinity;
      return pointAt(points, ham, spam);
    }),
  };
}

function pointAt(points: number, ham: Float64Array, spam: Float64Array): OperatingPoint {
  const above = (sorted: Float64Array) => sorted.length - below(sorted, points);
  return { points, hamAbove: above(ham), spamAbove: above(spam) };
}

/** How many of the sorted numbers are smaller. */
function below(sorted: Float64Array, limit: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

function areaUnderCurve(ham: Float64Array, spam: Float64Array): number {
  let wins = 0;
  for (const points of spam) {
    const smaller = below(ham, points);
    let ties = 0;
    while (ham[smaller + ties] === points) ties++;
    wins += smaller + ties / 2;
  }
  return wins / (ham.length * spam.length);
}
