/** The next hop is away, refuses for now, or breaks off: deliveries wait for their time and arrive. */
import { until } from "../fixtures/process.ts";
import { World } from "./world.ts";

Deno.test("the next hop goes away for longer than several attempts, and comes back", async () => {
  await using world = await World.open();
  world.sink.answerMs = 5;
  world.send();
  await world.progress(300);
  // Of what it took last, the answers may not have got through.
  const cut = await world.sink.goAway();
  await world.progress(2_000);
  await until(async () => (await world.sluice.unfinished() ?? 0) > 1_000);
  await world.sink.comeBack();
  await world.progress(300);
  await world.close("next hop away", { duplicates: cut });
});

Deno.test("the next hop answers 4xx for a while: nothing is lost, nothing repeated", async () => {
  await using world = await World.open();
  world.send();
  for (const behaviour of ["refuse_rcpt", "accept", "refuse_data", "accept"] as const) {
    world.sink.behaviour = behaviour;
    await world.progress(500);
  }
  await world.close("next hop answering 4xx", { duplicates: 0 });
});

Deno.test("the next hop hangs up in the middle of dialogues: nothing is lost", async () => {
  await using world = await World.open();
  world.send();
  await world.progress(100);
  world.sink.behaviour = "hang_up";
  await world.progress(1_000);
  world.sink.behaviour = "accept";
  // With a connection the answer to the message before may be lost.
  await world.close("next hop hanging up", { duplicates: world.sink.hangUps });
});
