import type { ExitView } from "@atlantic/shared/control/messages.ts";
import type { Route } from "@atlantic/shared/routing/route.ts";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { sameRoute } from "../nameOfExit.ts";
import type { Choice } from "./choice.ts";
import { filterExits } from "./filterExits.ts";

interface ExitListProps {
  readonly exits: readonly ExitView[];
  /** The route of this tab now, marked in the list. */
  readonly current: Route | null;
  readonly onChoose: (route: Route) => void;
}

/** The exits, searched by typing and chosen with the arrow keys and Enter (ARIA combobox with a listbox). */
export function ExitList({ exits, current, onChoose }: ExitListProps) {
  const [query, setQuery] = useState("");
  const [active, setActive] = useState(-1);
  const choices = filterExits(exits, query);
  const activeChoice = choices[active];
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    list.current
      ?.querySelector("[aria-selected=true]:has(.code:not(.plain))")
      ?.scrollIntoView({ block: "nearest" });
  }, []);

  function search(text: string): void {
    setQuery(text);
    setActive(text === "" ? -1 : 0);
  }

  function choose(choice: Choice): void {
    onChoose(choice.route);
    search("");
  }

  function drive(event: KeyboardEvent<HTMLInputElement>): void {
    const to = nextActive(event.key, active, choices.length);
    if (to !== undefined) setActive(to);
    else if (event.key === "Enter" && activeChoice) choose(activeChoice);
    else if (event.key === "Escape" && query !== "") search("");
    else return;
    event.preventDefault();
  }

  return (
    <section className="list panel" aria-label="Choose an exit">
      <div className="search">
        <input
          className="input"
          // biome-ignore lint/a11y/noAutofocus: a popup opens to be used; typing must find an exit at once.
          autoFocus
          role="combobox"
          aria-label="Find an exit"
          aria-expanded="true"
          aria-controls="exits"
          aria-autocomplete="list"
          aria-activedescendant={activeChoice && `exit-${activeChoice.id}`}
          placeholder="Country, city or ISP"
          autoComplete="off"
          spellCheck={false}
          value={query}
          onChange={(event) => search(event.target.value)}
          onKeyDown={drive}
        />
      </div>
      <div ref={list} className="exits" id="exits" role="listbox" aria-label="Exits" tabIndex={-1}>
        {choices.map((choice) => (
          <Exit
            key={choice.id}
            choice={choice}
            selected={current !== null && sameRoute(choice.route, current)}
            active={choice === activeChoice}
            onChoose={() => choose(choice)}
          />
        ))}
      </div>
      {choices.length === 0 && (
        <p className="none muted" role="status">
          No exit matches “{query}”. Try a country, a city or an ISP.
        </p>
      )}
      {exits.length === 0 && query === "" && (
        <p className="none muted">The companion has not named any exit yet.</p>
      )}
    </section>
  );
}

/** The active line after a key, or undefined for a key that does not move it. */
function nextActive(key: string, active: number, count: number): number | undefined {
  if (key === "ArrowDown") return Math.min(active + 1, count - 1);
  if (key === "ArrowUp") return Math.max(active - 1, 0);
  if (key === "PageDown") return Math.min(active + 4, count - 1);
  if (key === "PageUp") return Math.max(active - 4, 0);
  return undefined;
}

interface ExitProps {
  readonly choice: Choice;
  readonly selected: boolean;
  readonly active: boolean;
  readonly onChoose: () => void;
}

function Exit({ choice, selected, active, onChoose }: ExitProps) {
  const line = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (active) line.current?.scrollIntoView({ block: "nearest" });
  }, [active]);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the combobox drives the list by keyboard.
    // biome-ignore lint/a11y/useFocusableInteractive: focus stays in the combobox, which names the active option.
    <div
      ref={line}
      id={`exit-${choice.id}`}
      className={active ? "exit row active" : "exit row"}
      role="option"
      aria-selected={selected}
      onClick={onChoose}
    >
      <span className={choice.route.kind === "exit" ? "code" : "code plain"} aria-hidden="true">
        {choice.code}
      </span>
      <span className="grow clip">
        <span className="place-name">{choice.place}</span>
        {choice.about !== "" && <span className="faint"> · {choice.about}</span>}
      </span>
      {choice.demonstration && <span className="tag">demonstration</span>}
      {choice.latencyMs !== null && <span className="faint">{formatLatency(choice.latencyMs)}</span>}
    </div>
  );
}

function formatLatency(milliseconds: number): string {
  return `${new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 }).format(milliseconds)} ms`;
}
