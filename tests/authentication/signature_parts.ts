/** Messages that others signed or sealed, sent by a client nobody knows; for a server that refuses nothing. */
import type { ArcScenario } from "../fixtures/arc_suite.ts";
import { resultsFields } from "../fixtures/authentication_results.ts";
import type { CollectedMessage, DkimCollection } from "../fixtures/dkim_collection.ts";
import type { Judged, StrangersMail } from "../fixtures/judged_mail.ts";
import { latin1 } from "../fixtures/milter_suite.ts";
import { refusedFault, type SuitePart } from "./suite_part.ts";

const RFC_8463_EXAMPLE = "d=football.example.com";

function mailOf({ octets }: { readonly octets: Uint8Array }): StrangersMail {
  return {
    ...{ clientAddress: "127.0.0.1", heloName: "client.nobody.example" },
    from: "FROM:<ann@nobody.example>",
    message: latin1(octets),
  };
}

export function dkimPart({ zone, messages }: DkimCollection): SuitePart {
  return {
    rounds: [{ zone, mails: messages.map(mailOf) }],
    faults: ([judged]) => [
      ...messages.flatMap((message, at) => dkimFaults(message, judged[at])),
      ...messages.some(isExample) ? [] : ["the example of RFC 8463 is not among them"],
    ],
  };
}

function isExample({ octets, expected }: CollectedMessage): boolean {
  return expected === "pass" && latin1(octets).includes(RFC_8463_EXAMPLE);
}

function dkimFaults(message: CollectedMessage, judged: Judged): string[] {
  const { file, expected } = message;
  if (judged.kind === "refused") return refusedFault(file, judged);
  const [{ results }] = resultsFields(judged.header);
  const signatures = results.filter(({ method }) => method === "dkim");
  const passes = signatures.some(({ verdict }) => verdict === "pass");
  const isRight = signatures.length > 0 &&
    (expected === "open" || passes === (expected === "pass"));
  const algorithms = signatures
    .filter(({ properties }) => properties["header.d"] === "football.example.com")
    .map(({ verdict, properties }) => `${properties["header.a"]} ${verdict}`).sort().join();
  const isExampleRight = !isExample(message) ||
    algorithms === "ed25519-sha256 pass,rsa-sha256 pass";
  return isRight && isExampleRight
    ? []
    : [`${file}: not ${expected}: ${JSON.stringify(signatures)}`];
}

export function arcPart(suite: readonly ArcScenario[]): SuitePart {
  return {
    rounds: suite.map(({ zone, tests }) => ({ zone, mails: tests.map(mailOf) })),
    faults: (judged) =>
      suite.flatMap(({ tests }, round) =>
        tests.flatMap(({ name, verdict }, at) => {
          const one = judged[round][at];
          if (one.kind === "refused") return refusedFault(name, one);
          const [{ results }] = resultsFields(one.header);
          // Left out where there is no chain.
          const found = results.find(({ method }) => method === "arc")?.verdict ?? "none";
          return found === verdict ? [] : [`${name}: ${found}, not ${verdict}`];
        })
      ),
  };
}
