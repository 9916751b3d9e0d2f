import Koa from "koa";

/** The least that Koa can do: one answer for everybody. `node koa-program.ts PORT`, PEER_ANSWER is its body. */
const answer = JSON.parse(process.env.PEER_ANSWER ?? "null");
const app = new Koa();
app.use((context) => {
  context.body = answer;
});
app.listen(Number(process.argv[2]), "127.0.0.1");
