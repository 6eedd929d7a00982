/** Judges mail in the network it was started in: the job comes on standard input, what became of it goes out. */
import { judgeMail, type JudgingJob } from "../fixtures/judged_mail.ts";

const job: JudgingJob = await new Response(Deno.stdin.readable).json();
console.log(JSON.stringify(await judgeMail(job)));
