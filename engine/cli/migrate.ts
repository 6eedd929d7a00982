/** `migrate` */
import { type Command, UsageError } from "./command.ts";

export const migrateCommands: readonly Command[] = [{
  noun: "migrate",
  verb: "",
  usage: "",
  summary:
    "Bring the database's tables to what this version expects, as any command and the server do.",
  example: "migrate",
  prepare: (input) => {
    if (input.positionals.length > 0) throw new UsageError("migrate takes no words");
    return ({ applied }) => {
      const lines = applied.map((name) => `applied ${name}`);
      return Promise.resolve({
        kind: "done",
        text: lines.length === 0 ? "nothing to apply" : lines.join("\n"),
        json: { applied },
      });
    };
  },
}];
