import { expect, test } from "vitest";
import { Sounding } from "./sounding.ts";

function questions() {
  const asked: PromiseWithResolvers<void>[] = [];
  const sounding = new Sounding(() => {
    const question = Promise.withResolvers<void>();
    asked.push(question);
    return question.promise;
  });
  return { asked, sounding };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test("whoever asks while a question is out waits for the answer to a later one, which all of them share", async () => {
  const { asked, sounding } = questions();
  const heard: string[] = [];
  void sounding.take().then(() => heard.push("first"));
  void sounding.take().then(() => heard.push("second"));
  void sounding.take().then(() => heard.push("third"));
  await turn();
  expect(asked).toHaveLength(1);
  asked[0]?.resolve();
  await turn();
  expect(heard).toEqual(["first"]);
  expect(asked).toHaveLength(2);
  asked[1]?.resolve();
  await turn();
  expect(heard).toEqual(["first", "second", "third"]);
  expect(asked).toHaveLength(2);
});

test("each later need is a question of its own, and a refusal is an answer", async () => {
  const { asked, sounding } = questions();
  for (let round = 0; round < 3; round += 1) {
    const answer = sounding.take();
    asked[round]?.reject(new Error("unknown request"));
    await answer;
  }
  expect(asked).toHaveLength(3);
});
