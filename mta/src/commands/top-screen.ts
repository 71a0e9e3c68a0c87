import type { SourceRow } from '../control/mod.ts';
import type { Directive } from '../react/mod.ts';
import { ageText } from './age-text.ts';
import { type Column, columnTable, cut, printable } from './column-table.ts';
import { effectText } from './directive-flags.ts';
import { chosenRows, type TopPod, type TopSite, type TopSort, type TopState } from './top-state.ts';

/** What the person at the terminal has chosen. */
export interface TopChoice {
  readonly sort: TopSort;
  readonly filter: string;
  /** The filter is being typed. */
  readonly typing: boolean;
}

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

/** A line of the screen. */
export interface ScreenLine {
  readonly text: string;
  readonly style: 'plain' | 'title' | 'bar' | 'alert';
}

/** Smaller than this is drawn as if it were this, and cut by the terminal. */
const LEAST_COLUMNS = 40;
const LEAST_ROWS = 8;

/** Notes are shown from this width on. */
const WIDE = 110;

/**
 * The screen of `sluice top`: totals, then sites, sources, directives and pods, as many rows of each as fit. Never more lines or columns than the
 * terminal has. Pure; `nowMs` is wall time.
 */
export function topScreen(
  state: TopState,
  choice: TopChoice,
  { columns, rows }: ScreenSize,
  nowMs: number,
): readonly ScreenLine[] {
  const width = Math.max(LEAST_COLUMNS, columns);
  const height = Math.max(LEAST_ROWS, rows);
  const head = headLines(state, width, nowMs);
  const foot: ScreenLine = { text: cut(footText(state, choice), width), style: 'bar' };
  const sites = chosenRows(state.sites, choice.sort, choice.filter);
  const sources = chosenRows(state.sources, choice.sort, choice.filter);
  const room = height - head.length - 1;
  const shares = shareRows(
    room,
    [sites.length, sources.length, state.directives.length, state.pods.length].map((count) => count),
  );
  const tables: readonly ScreenLine[][] = [
    table(columnTable(SITE_COLUMNS, sites.slice(0, shares[0]), width), shares[0]),
    table(columnTable(SOURCE_COLUMNS, sources.slice(0, shares[1]), width), shares[1]),
    table(columnTable(directiveColumns(nowMs), state.directives.slice(0, shares[2]), width), shares[2]),
    table(columnTable(podColumns(nowMs), state.pods.slice(0, shares[3]), width), shares[3]),
  ];
  const body = tables.flat().slice(0, room);
  const empty = Array.from({ length: room - body.length }, (): ScreenLine => ({ text: '', style: 'plain' }));
  return [...head, ...body, ...empty, foot];
}

/** One snapshot as one line, where no terminal is. */
export function topLine(state: TopState): string {
  const { at, recent, queued, connections, oldestAgeMs, pods, directives, silent, inPerSecond } = state;
  const fields = [
    `in ${rateText(inPerSecond)}/s`,
    `out ${rateText(recent.messages)}/s`,
    `deferred ${rateText(recent.deferred)}/s`,
    `bounced ${rateText(recent.failed)}/s`,
    `queued ${queued}`,
    `connections ${connections}`,
    `oldest ${ageText(oldestAgeMs)}`,
    `directives ${directives.length}`,
    `pods ${pods.length}${silent.length === 0 ? '' : `, silent ${silent.join(' ')}`}`,
  ];
  return `${at}  ${fields.join('  ')}\n`;
}

function headLines(state: TopState, width: number, nowMs: number): readonly ScreenLine[] {
  const { recent, pods, silent, oldestAgeMs } = state;
  const well = pods.filter(({ state: each, troubles }) => each === 'Ready' && troubles.length === 0).length;
  const title = `sluice top  ${new Date(nowMs).toISOString().slice(11, 19)}Z  pods ${well} of ${pods.length + silent.length} well`;
  const flow = `in ${rateText(state.inPerSecond)}/s  out ${rateText(recent.messages)}/s  deferred ${rateText(recent.deferred)}/s  bounced ${rateText(recent.failed)}/s  conn ${countText(state.connections)}`;
  const queue = [
    `queued ${countText(state.queued)}`,
    `ready ${countText(state.ready)}`,
    `limited ${countText(state.asleep)}`,
    `waiting ${countText(state.waiting)}`,
    `in flight ${countText(state.inFlight)}`,
    `oldest ${ageText(oldestAgeMs)}`,
  ].join('  ');
  const lines: ScreenLine[] = [
    { text: cut(`${title}  ${width >= WIDE ? flow : ''}`.trimEnd(), width), style: 'bar' },
    { text: cut(flow, width), style: 'plain' },
    { text: cut(queue, width), style: 'plain' },
  ];
  if (width >= WIDE) lines.splice(1, 1);
  if (silent.length > 0) lines.push({ text: cut(`no answer: ${silent.join(', ')}`, width), style: 'alert' });
  return lines;
}

function footText({ more }: TopState, { sort, filter, typing }: TopChoice): string {
  if (typing) return `filter: ${filter}_   Enter keeps it, Esc takes it back`;
  const filtered = filter === '' ? '/ filter' : `/ filter: ${filter}`;
  const left = more.sites === 0 ? '' : `   ${more.sites} sites more`;
  return `q quit   s sort: ${sort}   ${filtered}${left}`;
}

/** A title and its rows, with an empty line before; nothing without rows. */
function table(lines: readonly string[], rows = 0): ScreenLine[] {
  if (rows === 0) return [];
  return [
    { text: '', style: 'plain' },
    ...lines.map((text, index): ScreenLine => ({ text, style: index === 0 ? 'title' : 'plain' })),
  ];
}

/** Lines of a table besides its rows. */
const TABLE_OVERHEAD = 2;

/** Share of the room that each table may take before those that need less have got theirs: sites first. */
const SHARES = [0.45, 0.2, 0.15, 0.2] as const;

/** How many rows of each table fit. What one does not need the first ones get. */
function shareRows(room: number, wanted: readonly number[]): readonly number[] {
  const tables = wanted.filter((count) => count > 0).length;
  const available = Math.max(0, room - tables * TABLE_OVERHEAD);
  const given = wanted.map((count, index) =>
    Math.min(count, Math.max(count > 0 ? 1 : 0, Math.floor(available * (SHARES[index] ?? 0)))),
  );
  let left = available - given.reduce((sum, count) => sum + count, 0);
  for (const [index, count] of wanted.entries()) {
    const extra = Math.max(0, Math.min(left, count - (given[index] ?? 0)));
    given[index] = (given[index] ?? 0) + extra;
    left -= extra;
  }
  return given;
}

const RATE = { width: 7, right: true } as const;

const SITE_COLUMNS: readonly Column<TopSite>[] = [
  { title: 'SITE', cell: ({ site }) => site },
  { title: 'GROUP', cell: ({ group }) => group || '-', width: 14, from: WIDE },
  { title: 'QUEUED', cell: ({ queued }) => countText(queued), ...RATE },
  { title: 'OUT/S', cell: ({ recent }) => rateText(recent.delivered), ...RATE },
  { title: 'DEFER/S', cell: ({ recent }) => rateText(recent.deferred), ...RATE },
  { title: 'BNCE/S', cell: ({ recent }) => rateText(recent.failed), ...RATE },
  { title: 'CONN', cell: connectionsText, width: 9, right: true },
  { title: 'OLDEST', cell: ({ oldestAgeMs }) => (oldestAgeMs === 0 ? '-' : ageText(oldestAgeMs)), ...RATE },
  { title: 'NOTE', cell: noteText, from: WIDE },
];

const SOURCE_COLUMNS: readonly Column<SourceRow>[] = [
  { title: 'SOURCE', cell: ({ source }) => source },
  { title: 'POOL', cell: ({ pool }) => pool, width: 16 },
  { title: 'OUT/S', cell: ({ recent }) => rateText(recent.delivered), ...RATE },
  { title: 'DEFER/S', cell: ({ recent }) => rateText(recent.deferred), ...RATE },
  { title: 'BNCE/S', cell: ({ recent }) => rateText(recent.failed), ...RATE },
  { title: 'CONN', cell: ({ connections }) => countText(connections), ...RATE },
];

function directiveColumns(nowMs: number): readonly Column<Directive>[] {
  return [
    { title: 'DIRECTIVE', cell: effectText, width: 22 },
    {
      title: 'MAIL',
      cell: ({ selector }) =>
        Object.entries(selector)
          .map(([field, value]) => `${field}=${value}`)
          .join(' '),
    },
    { title: 'BY', cell: ({ origin }) => origin.toLowerCase(), width: 8 },
    {
      title: 'ENDS',
      cell: ({ expiresAtMs }) => (expiresAtMs === 0 ? 'never' : `in ${ageText(expiresAtMs - nowMs)}`),
      width: 9,
    },
    { title: 'REASON', cell: ({ reason }) => reason, from: WIDE },
  ];
}

function podColumns(nowMs: number): readonly Column<TopPod>[] {
  return [
    { title: 'POD', cell: ({ host }) => host },
    { title: 'STATE', cell: stateText, width: 12 },
    { title: 'AGE', cell: ({ startedAt }) => ageText(nowMs - Date.parse(startedAt)), width: 6, right: true },
    {
      title: 'SEG',
      cell: ({ segments }) => (segments === undefined ? '-' : String(segments)),
      width: 3,
      right: true,
    },
    { title: 'LIMITS', cell: ({ limits }) => limits, width: 8 },
    { title: 'IN/S', cell: ({ inPerSecond }) => rateText(inPerSecond), width: 6, right: true },
    { title: 'OUT/S', cell: ({ outPerSecond }) => rateText(outPerSecond), width: 6, right: true },
    { title: 'QUEUED', cell: ({ queued }) => countText(queued), width: 6, right: true },
    { title: 'CONN', cell: ({ connections }) => countText(connections), width: 5, right: true, from: WIDE },
    {
      title: 'RENEWED',
      cell: ({ renewalAgeMs }) => (renewalAgeMs === undefined ? '-' : `${ageText(renewalAgeMs)} ago`),
      width: 8,
      right: true,
      from: WIDE,
    },
  ];
}

function connectionsText({ connections, connectionBound }: TopSite): string {
  const open = countText(connections);
  return connectionBound === undefined ? open : `${open}/${countText(connectionBound)}`;
}

function noteText({ pausedUntil, waitsFor, lastReply }: TopSite): string {
  const parts = [
    pausedUntil === undefined ? '' : `paused until ${pausedUntil.slice(11, 19)}Z`,
    waitsFor === undefined ? '' : `waits for ${waitsFor}`,
    lastReply ?? '',
  ];
  return printable(parts.filter((part) => part !== '').join('; '));
}

function stateText({ state, troubles }: TopPod): string {
  return troubles.length === 0 ? state : `${state}: ${troubles.join(', ')}`;
}

/** `0`, `0.3`, `12`, `1.2k` */
export function rateText(perSecond: number): string {
  if (perSecond < 0.05) return '0';
  return perSecond < 10 ? perSecond.toFixed(1) : countText(Math.round(perSecond));
}

/** `999`, `12.3k`, `1.2M`: at most five characters. */
export function countText(count: number): string {
  if (count < 10_000) return String(count);
  if (count < 999_500) return scaled(count / 1e3, 'k');
  if (count < 999_500_000) return scaled(count / 1e6, 'M');
  return scaled(count / 1e9, 'G');
}

function scaled(value: number, unit: string): string {
  return `${value < 99.95 ? value.toFixed(1) : value.toFixed(0)}${unit}`;
}
