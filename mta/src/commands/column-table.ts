/** A column of a table that must fit into a width. */
export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  /** Characters; absent = it shares what is left with the others that have none. */
  readonly width?: number;
  /** Numbers stand to the right. */
  readonly right?: true;
  /** Left out when the table is narrower than this. */
  readonly from?: number;
}

const GAP = 2;
/** Narrower than this no column without a width becomes. */
const LEAST_WIDTH = 8;

/**
 * Rows in columns, each line at most `width` characters: what does not fit is cut and ends in `…`. The first line has the titles.
 *
 * Example: `columnTable([{ title: 'SITE', cell: ({ site }) => site }, { title: 'OUT/S', cell: …, width: 7, right: true }], rows, 80)`
 */
export function columnTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number,
): readonly string[] {
  const shown = columns.filter(({ from = 0 }) => width >= from);
  const fixed = shown.reduce((sum, column) => sum + (column.width ?? 0), 0) + GAP * (shown.length - 1);
  const open = shown.filter((column) => column.width === undefined).length;
  const each = open === 0 ? 0 : Math.max(LEAST_WIDTH, Math.floor((width - fixed) / open));
  const line = (cells: readonly string[]): string =>
    cut(
      cells
        .map((cell, index) => fitted(cell, shown[index]?.width ?? each, shown[index]?.right === true))
        .join(' '.repeat(GAP))
        .trimEnd(),
      width,
    );
  return [
    line(shown.map(({ title }) => title)),
    ...rows.map((row) => line(shown.map(({ cell }) => printable(cell(row))))),
  ];
}

/** At most so many characters. */
export function cut(text: string, width: number): string {
  if (text.length <= width) return text;
  return width <= 1 ? text.slice(0, Math.max(0, width)) : `${text.slice(0, width - 1)}…`;
}

/** Replies of strangers and names must not steer the terminal. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, ' ');
}

function fitted(text: string, width: number, right: boolean): string {
  const short = cut(text, width);
  return right ? short.padStart(width) : short.padEnd(width);
}
