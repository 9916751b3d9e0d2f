import { useEffect, useState } from "react";
import { browser } from "wxt/browser";
import type { PageCommand, PopupModel } from "../../messages.ts";
import type { Page } from "../connectPage.ts";
import { protectionWords } from "../protectionWords.ts";
import { usePage } from "../usePage.ts";
import { AdsRow } from "./AdsRow.tsx";
import { ExitList } from "./ExitList.tsx";
import { FirstRun } from "./FirstRun.tsx";
import { Hero } from "./Hero.tsx";
import { headlineOf, type Tone } from "./headline.ts";
import { Problem, Warnings } from "./Notices.tsx";
import { Opening } from "./Opening.tsx";
import { ProtectionPage } from "./ProtectionPage.tsx";
import { ProtectionRow } from "./ProtectionRow.tsx";
import { ScopePicker } from "./ScopePicker.tsx";
import { SessionRow } from "./SessionRow.tsx";
import { initialScope, type ScopeKind, scopeOf } from "./scope.ts";
import { UsageFooter } from "./UsageFooter.tsx";

/** The moment from which the popup can be used, on the page's own clock; benches read it. */
const INTERACTIVE = "atlantic:interactive";

/** The toolbar popup: drawn from the background's model alone. */
export function Popup({ page }: { readonly page: Page }) {
  const { model, problem } = usePage(page);
  const shown = model !== null;
  useEffect(() => {
    if (shown) performance.mark(INTERACTIVE);
  }, [shown]);
  return (
    <div className="popup">
      <Header state={model ? stateOf(model) : { tone: "direct", word: "Connecting" }} />
      <main>
        <h1 className="unseen">Atlantic Proxy</h1>
        <Problem problem={problem} onDismiss={page.dismissProblem} />
        <Body model={model} send={page.send} />
      </main>
    </div>
  );
}

function stateOf(model: PopupModel): { readonly tone: Tone; readonly word: string } {
  if (model.link.kind === "absent") return { tone: "direct", word: "Not set up" };
  if (model.link.kind === "unpaired") return { tone: "direct", word: "Not paired" };
  const computer = protectionWords(model.protection);
  const isUnderWay = computer.tone === "attention" && headlineOf(model).tone === "on";
  return model.link.kind === "ready" && (computer.isHeld || isUnderWay) ? computer : headlineOf(model);
}

function Header({ state }: { readonly state: { readonly tone: Tone; readonly word: string } }) {
  return (
    <header className="row">
      <span className="word grow">Atlantic</span>
      <span className={`pill ${state.tone}`} role="status">
        {state.word}
      </span>
      <button type="button" className="button quiet" onClick={() => browser.runtime.openOptionsPage()}>
        Settings
      </button>
    </header>
  );
}

interface BodyProps {
  readonly model: PopupModel | null;
  readonly send: (command: PageCommand) => void;
}

function Body({ model, send }: BodyProps) {
  if (!model) return <Opening />;
  if (model.link.kind === "absent" || model.link.kind === "unpaired") {
    return <FirstRun link={model.link} send={send} />;
  }
  if (model.link.kind === "ready" && protectionWords(model.protection).isHeld) {
    return <ProtectionPage model={model} send={send} onBack={null} />;
  }
  return <Routing model={model} send={send} />;
}

function Routing({ model, send }: { readonly model: PopupModel; readonly send: BodyProps["send"] }) {
  const [picked, setPicked] = useState<ScopeKind | null>(null);
  const kind = picked ?? initialScope(model.tab);
  const scope = scopeOf(kind, model.tab);
  const [showsComputer, setShowsComputer] = useState(false);
  if (showsComputer) {
    return <ProtectionPage model={model} send={send} onBack={() => setShowsComputer(false)} />;
  }
  return (
    <>
      <Hero model={model} send={send} />
      <ScopePicker tab={model.tab} kind={kind} onPick={setPicked} />
      <ExitList
        exits={model.exits}
        current={model.tab?.route ?? null}
        onChoose={(route) => send({ kind: "choose", scope, route })}
      />
      <div className="facts panel">
        {model.ads && model.link.kind === "ready" && <AdsRow ads={model.ads} send={send} />}
        <SessionRow model={model} onRotate={() => send({ kind: "rotate" })} />
        <ProtectionRow model={model} onOpen={() => setShowsComputer(true)} />
      </div>
      <Warnings warnings={model.warnings} />
      <UsageFooter usage={model.usage} />
    </>
  );
}
