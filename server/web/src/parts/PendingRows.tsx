/** Places kept for the rows of a list that is on its way. */
export function PendingRows({ rows }: { readonly rows: number }) {
  return (
    <div className="mt-2" aria-busy="true">
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: places have nothing but their number.
        <div key={row} className="row min-h-10 border-t border-(--line) first:border-t-0">
          <span className="pending grow">&nbsp;</span>
        </div>
      ))}
    </div>
  );
}
