import type { TabModel } from "../../messages.ts";
import type { ScopeKind } from "./scope.ts";

interface ScopePickerProps {
  readonly tab: TabModel | null;
  readonly kind: ScopeKind;
  readonly onPick: (kind: ScopeKind) => void;
}

/** What a choice applies to: this tab, its site, or everything. Native radios bring the arrow keys with them. */
export function ScopePicker({ tab, kind, onPick }: ScopePickerProps) {
  const site = tab?.site ?? null;
  const options = [
    { kind: "tab", label: "This tab", disabled: tab === null },
    { kind: "site", label: site ?? "This site", disabled: site === null },
    { kind: "everything", label: "Everything", disabled: false },
  ] as const;
  return (
    <div className="scope segmented" role="radiogroup" aria-label="Applies to">
      {options.map((option) => (
        <label key={option.kind} title={option.label}>
          <input
            type="radio"
            name="scope"
            checked={option.kind === kind}
            disabled={option.disabled}
            onChange={() => onPick(option.kind)}
          />
          <span className="clip">{option.label}</span>
        </label>
      ))}
    </div>
  );
}
