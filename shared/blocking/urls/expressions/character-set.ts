/** Characters as their codes: those of ASCII, and one more for all others, which addresses do not hold. */
export const CHARACTERS = 129;
export const OTHERS = 128;

/** Which characters are meant: 1 at the code of each. */
export type CharacterSet = Uint8Array;

export function setOf(test: (character: string) => boolean): CharacterSet {
  return Uint8Array.from({ length: CHARACTERS }, (_, code) =>
    code < OTHERS && test(String.fromCharCode(code)) ? 1 : 0,
  );
}

export function unionOf(sets: readonly CharacterSet[]): CharacterSet {
  return Uint8Array.from({ length: CHARACTERS }, (_, code) => (sets.some((set) => set[code] === 1) ? 1 : 0));
}

export function allBut(set: CharacterSet): CharacterSet {
  return set.map((isIn) => 1 - isIn);
}

/** With the other case of each letter. */
export function inBothCases(set: CharacterSet): CharacterSet {
  const has = (character: string) => set[character.charCodeAt(0)] === 1;
  return unionOf([set, setOf((one) => has(one.toLowerCase()) || has(one.toUpperCase()))]);
}

/** The one character that is meant, in lower case; undefined when there are several that differ by more than case. */
export function onlyCharacter(set: CharacterSet): string | undefined {
  const first = set.indexOf(1);
  if (first < 0 || first === OTHERS) return undefined;
  const character = String.fromCharCode(first).toLowerCase();
  const others = set.some(
    (isIn, code) => isIn === 1 && String.fromCharCode(code).toLowerCase() !== character,
  );
  return others ? undefined : character;
}
