interface SegmentedProps<Value extends string> {
  readonly name: string;
  /** What is chosen, for assistive technology. */
  readonly label: string;
  readonly options: readonly { readonly value: Value; readonly text: string }[];
  readonly value: Value;
  readonly onPick: (value: Value) => void;
}

/** One of a few, side by side. Native radios bring the arrow keys with them. */
export function Segmented<Value extends string>(props: SegmentedProps<Value>) {
  return (
    <div className="segmented" role="radiogroup" aria-label={props.label}>
      {props.options.map(({ value, text }) => (
        <label key={value}>
          <input
            type="radio"
            name={props.name}
            checked={value === props.value}
            onChange={() => props.onPick(value)}
          />
          <span>{text}</span>
        </label>
      ))}
    </div>
  );
}
