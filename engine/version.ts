/** The release, as the banner and the metrics tell it. */
export const VERSION = "0.1.0";
