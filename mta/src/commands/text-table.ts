const GAP = '  ';

/**
 * Rows in aligned columns, two spaces between them, no spaces at the ends of lines.
 *
 * Example: `textTable([['a', 'bb'], ['ccc', 'd']])` → `a    bb\nccc  d\n`
 */
export function textTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join(GAP)
          .trimEnd()}\n`,
    )
    .join('');
}
