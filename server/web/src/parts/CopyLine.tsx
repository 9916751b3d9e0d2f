import { CopyButton } from "./CopyButton.tsx";

interface CopyLineProps {
  readonly name: string;
  readonly text: string;
}

/** A line to paste somewhere, in full, with its name and a way to copy it. */
export function CopyLine({ name, text }: CopyLineProps) {
  return (
    <div>
      <div className="row min-h-7">
        <span className="grow muted">{name}</span>
        <CopyButton text={text} what={name} />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard. */}
      <section className="curl mono" aria-label={name} tabIndex={0}>
        {text}
      </section>
    </div>
  );
}
