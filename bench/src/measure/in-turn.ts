/** One of those that are measured against each other. */
export interface Contestant<Value> {
  readonly name: string;
  measure(): Promise<Value>;
}

/**
 * Measures every contestant once a round, in turn, so that whatever else the machine does meets all alike.
 * Each round starts with another one. The first rounds warm up, compilers above all, and are thrown away.
 * @returns the values of each contestant by name, one a round
 */
export async function inTurn<Value>(
  rounds: number,
  contestants: readonly Contestant<Value>[],
  { warmUpRounds = 2 } = {},
): Promise<Map<string, Value[]>> {
  const values = new Map<string, Value[]>(contestants.map(({ name }) => [name, []]));
  for (let round = -warmUpRounds; round < rounds; round++) {
    for (const { name, measure } of rotated(contestants, round + warmUpRounds)) {
      const value = await measure();
      if (round >= 0) values.get(name)?.push(value);
    }
  }
  return values;
}

function rotated<Item>(items: readonly Item[], by: number): Item[] {
  const start = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}
