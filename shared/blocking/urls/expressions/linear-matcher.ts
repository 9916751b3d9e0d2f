import { CHARACTERS, type CharacterSet, OTHERS } from "./character-set.ts";
import type { Expression } from "./parse-expression.ts";

/** What may come next at a place in an expression. */
type Place =
  | { readonly kind: "one"; readonly of: CharacterSet; readonly next: number }
  | { readonly kind: "start" | "end"; readonly next: number }
  | { readonly kind: "fork"; readonly to: readonly number[] }
  | { readonly kind: "found" };

/** All places that the text so far may have led to, and where each kind of character leads from there. */
interface State {
  readonly characters: readonly number[];
  readonly isFound: boolean;
  readonly isFoundAtEnd: boolean;
  readonly next: (State | undefined)[];
}

/** More states than this are forgotten and made again. */
const MAX_STATES = 128;

/**
 * Says whether an expression fits anywhere in a text, in a time that grows with the text alone: it follows all ways
 * through the expression at once (Thompson 1968, as RE2 does), where JavaScript's own expressions try one after the
 * other, and an address could be made that keeps them busy for minutes.
 */
export class LinearMatcher {
  readonly #places: Place[] = [{ kind: "found" }];
  readonly #begin: number;
  /** The kind of each character: those of one kind are in the same sets. */
  readonly #kinds = new Uint16Array(CHARACTERS);
  /** A character of each kind. */
  readonly #examples: number[] = [];
  readonly #states = new Map<string, State>();
  #first: State;

  constructor(expression: Expression) {
    this.#begin = this.#write(expression, 0);
    this.#sortCharacters();
    this.#first = this.#stateOf([this.#begin], true);
  }

  /** @param isWhole whether the end of the text is one that `$` may stand for */
  fits(text: string, isWhole = true): boolean {
    let state = this.#first;
    for (let at = 0; at < text.length; at++) {
      if (state.isFound) return true;
      // Nothing leads anywhere any more: the expression holds at the beginning alone.
      if (state.characters.length === 0 && !state.isFoundAtEnd) return false;
      const kind = this.#kinds[Math.min(text.charCodeAt(at), OTHERS)] ?? 0;
      state = state.next[kind] ?? this.#step(state, kind);
    }
    return state.isFound || (isWhole && state.isFoundAtEnd);
  }

  /** @returns the place where the expression begins that is followed by `next` */
  #write(expression: Expression, next: number): number {
    switch (expression.kind) {
      case "one":
        return this.#add({ kind: "one", of: expression.of, next });
      case "start":
      case "end":
        return this.#add({ kind: expression.kind, next });
      case "sequence":
        return expression.parts.reduceRight((after, part) => this.#write(part, after), next);
      case "either":
        return this.#add({ kind: "fork", to: expression.ways.map((way) => this.#write(way, next)) });
      case "repeat":
        return this.#writeRepeated(expression.what, expression, next);
    }
  }

  #writeRepeated(
    what: Expression,
    { least, most }: { readonly least: number; readonly most: number },
    next: number,
  ): number {
    let after = next;
    if (most === Number.POSITIVE_INFINITY) {
      const to = [next];
      after = this.#add({ kind: "fork", to });
      to.push(this.#write(what, after));
    } else
      for (let more = least; more < most; more++)
        after = this.#add({ kind: "fork", to: [this.#write(what, after), next] });
    for (let times = 0; times < least; times++) after = this.#write(what, after);
    return after;
  }

  #add(place: Place): number {
    return this.#places.push(place) - 1;
  }

  #sortCharacters(): void {
    const sets = new Set(this.#places.flatMap((place) => (place.kind === "one" ? [place.of] : [])));
    const kinds = new Map<string, number>();
    for (let code = 0; code < CHARACTERS; code++) {
      const memberships = Array.from(sets, (set) => set[code]).join("");
      const kind = kinds.get(memberships) ?? this.#examples.push(code) - 1;
      kinds.set(memberships, kind);
      this.#kinds[code] = kind;
    }
  }

  #step(state: State, kind: number): State {
    const code = this.#examples[kind] ?? OTHERS;
    const reached = [this.#begin];
    for (const index of state.characters) {
      const place = this.#places[index];
      if (place?.kind === "one" && place.of[code] === 1) reached.push(place.next);
    }
    const next = this.#stateOf(reached, false);
    state.next[kind] = next;
    return next;
  }

  #stateOf(from: readonly number[], isStart: boolean): State {
    const places = this.#reach(from, isStart, false);
    const characters = places.filter((index) => this.#places[index]?.kind === "one").sort((a, b) => a - b);
    const isFound = places.includes(0);
    const isFoundAtEnd = this.#reach(from, isStart, true).includes(0);
    const key = `${characters} ${isFound} ${isFoundAtEnd}`;
    const known = this.#states.get(key);
    if (known !== undefined) return known;
    const state: State = { characters, isFound, isFoundAtEnd, next: [] };
    if (this.#states.size >= MAX_STATES) {
      this.#states.clear();
      this.#first = { ...this.#first, next: [] };
    }
    this.#states.set(key, state);
    return state;
  }

  /** All places that are reached without a character more. */
  #reach(from: readonly number[], isStart: boolean, isEnd: boolean): number[] {
    const reached = new Set(from);
    // A set goes on to what is added to it meanwhile.
    for (const index of reached) {
      const place = this.#places[index];
      if (place?.kind === "fork") for (const to of place.to) reached.add(to);
      const isThere = (place?.kind === "start" && isStart) || (place?.kind === "end" && isEnd);
      if (isThere) reached.add(place.next);
    }
    return [...reached];
  }
}
