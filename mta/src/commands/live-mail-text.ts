import { formatRate, type Rate } from '@sluice/crds';
import { ageText } from './age-text.ts';
import { directivesText } from './directive-flags.ts';
import type { LiveBound, LiveLimit } from './live-limit.ts';
import type { LiveMail, LivePod, LiveSource, Wait } from './live-mail.ts';
import { textTable } from './text-table.ts';

/** Holders that are named; of the rest only the number. */
const MAX_HOLDERS = 6;
/** Sources for which it is said what they wait for. */
const MAX_SOURCES = 20;
const REPLY_WIDTH = 70;
/** Shorter spans have a tenth of a second. */
const SHORT_MS = 10_000;

/** The live part of an explanation for people: what the next message waits for, then tables of limits, pods and directives. */
export function liveMailText(live: LiveMail): string {
  const nowMs = Date.parse(live.at);
  const sections = [headText(live), nextText(live, nowMs)];
  if (live.limits.length > 0) sections.push(limitsText(live, nowMs));
  sections.push(podsText(live.pods, nowMs));
  if (live.directives.length > 0) sections.push(directivesText(live.directives, nowMs));
  return sections.join('\n');
}

function headText({ pods, silent, at, pool, site, group }: LiveMail): string {
  const count = pods.length === 1 ? '1 pod says' : `${pods.length} pods say`;
  const missing = silent.length === 0 ? '' : ` No answer: ${silent.join(', ')}.`;
  const configurations = new Set(pods.map(({ configHash }) => configHash)).size;
  const differ = configurations > 1 ? ` They run ${configurations} configurations.` : '';
  const where = [`pool ${pool || 'none'}`, `site ${site || 'not known'}`, `group ${group || 'none'}`];
  return `Now, ${clockText(at)}, as ${count}.${missing}${differ}\n  ${where.join(', ')}\n`;
}

function nextText(live: LiveMail, nowMs: number): string {
  const { waits, sources, moreSources } = live;
  const shown = sources.slice(0, MAX_SOURCES);
  const rows = [
    ...waits.map((wait) => ['', 'all of it', waitText(wait, nowMs)]),
    ...shown.flatMap(({ name, address, waits: own }) =>
      own.map((wait, at) => ['', at === 0 ? `${name} (${address})` : '', waitText(wait, nowMs)]),
    ),
  ];
  const more = sources.length - shown.length + moreSources;
  return [
    `${summary(live, nowMs)}\n`,
    rows.length === 0 ? '' : textTable(rows),
    more === 0 ? '' : `  ${more} more sources (--source)\n`,
    deferredText(live, nowMs),
  ].join('');
}

/** In one line whether the next message goes, and if not what it waits for. */
function summary({ waits, sources }: LiveMail, nowMs: number): string {
  const everywhere = waits.find(({ pods }) => pods === undefined);
  if (everywhere !== undefined) return `The next message waits: ${waitText(everywhere, nowMs)}.`;
  const free = sources.filter((source) => source.waits.every(({ pods }) => pods !== undefined));
  const where =
    waits.length === 0 ? '' : `, but not from ${waits.flatMap(({ pods = [] }) => pods).join(', ')}`;
  if (free.length > 0) return `The next message can go now, through ${listText(free)}${where}.`;
  const soonest = sources
    .map((source) => ({ source, untilMs: readyAtMs(source) }))
    .toSorted((a, b) => a.untilMs - b.untilMs)[0];
  if (soonest === undefined) return 'No source was asked about.';
  if (soonest.untilMs === Number.POSITIVE_INFINITY)
    return 'The next message waits until one of these is over:';
  return `The next message waits; ${soonest.source.name} can send again ${untilText('at', soonest.untilMs, nowMs)}:`;
}

function readyAtMs({ waits }: LiveSource): number {
  return Math.max(
    ...waits.map(({ until }) => (until === undefined ? Number.POSITIVE_INFINITY : Date.parse(until))),
  );
}

function listText(sources: readonly LiveSource[]): string {
  const names = sources.slice(0, MAX_HOLDERS).map(({ name }) => name);
  const more = sources.length - names.length;
  return names.join(', ') + (more === 0 ? '' : ` and ${more} more`);
}

function waitText({ what, until, pods, limit }: Wait, nowMs: number): string {
  const where = pods === undefined ? '' : ` (${pods.join(', ')})`;
  if (until === undefined) return what + where;
  const word = limit === undefined ? 'until' : 'the next one comes at';
  return `${what}, ${untilText(word, Date.parse(until), nowMs)}${where}`;
}

function deferredText({ pods }: LiveMail, nowMs: number): string {
  const waiting = pods.reduce((sum, { mail }) => sum + mail.waiting, 0);
  const queued = pods.reduce((sum, { mail }) => sum + mail.ready + mail.asleep + mail.inFlight, waiting);
  if (queued === 0) return 'No such mail is queued.\n';
  if (waiting === 0) return '';
  const due = pods.flatMap(({ mail }) => mail.nextDueInMs ?? []);
  const first = due.length === 0 ? '' : `, the first ${untilText('at', nowMs + Math.min(...due), nowMs)}`;
  return `${waiting} recipient groups wait for their time or their next attempt${first}.\n`;
}

function limitsText({ limits, moreLimits }: LiveMail, nowMs: number): string {
  const rows = limits.flatMap((limit) =>
    limit.bounds.map((bound, at) => [
      at === 0 ? nameOf(limit) : '',
      bound.bound,
      valueText(bound.value),
      heldText(bound),
      holdersText(bound),
      String(Math.round(bound.waiting)),
      nextInText(limit, bound, nowMs),
    ]),
  );
  const more = moreLimits === 0 ? '' : `and ${moreLimits} more (--source)\n`;
  return textTable([['LIMIT', 'BOUND', 'VALUE', 'HELD', 'BY', 'WAITING', 'NEXT'], ...rows]) + more;
}

function nameOf({ limitName, values, pod, leader }: LiveLimit): string {
  const where = pod === undefined ? '' : ` on ${pod}`;
  const unsure = leader === '' ? ' (its leader did not answer)' : '';
  return [limitName, values].filter((text) => text !== '').join(' ') + where + unsure;
}

function valueText(value: number | Rate): string {
  return typeof value === 'number' ? String(value) : formatRate(value);
}

function heldText({ value, held }: LiveBound): string {
  return typeof value === 'number' ? String(held) : amountText(held, value);
}

function holdersText({ value, holders }: LiveBound): string {
  const named = holders
    .slice(0, MAX_HOLDERS)
    .map(({ pod, amount }) => `${pod} ${typeof value === 'number' ? amount : amountText(amount, value)}`);
  const more = holders.length - named.length;
  return named.length === 0 ? '-' : named.join(', ') + (more === 0 ? '' : ` and ${more} more`);
}

/** Units per second in the period of the bound. */
function amountText(perSecond: number, { count, periodMs }: Rate): string {
  const amount = (perSecond * periodMs) / 1000;
  const rounded = Number(amount.toPrecision(3));
  return formatRate({ count: Math.abs(amount - count) < count / 1000 ? count : rounded, periodMs });
}

function nextInText({ starting }: LiveLimit, { bound, value, held, nextInMs }: LiveBound, nowMs: number) {
  if (starting) return 'when all pods have told';
  if (bound === 'connections') return held < Number(value) ? 'now' : 'when one ends';
  if (nextInMs === undefined) return 'not known';
  return nextInMs === 0 ? 'now' : untilText('at', nowMs + nextInMs, nowMs);
}

function podsText(pods: readonly LivePod[], nowMs: number): string {
  const head = [
    'POD',
    'STATE',
    'LIMITS',
    'READY',
    'LIMITED',
    'WAITING',
    'IN FLIGHT',
    'CONN',
    'OLDEST',
    'NEXT DUE',
    'LAST REPLY',
  ];
  return textTable([
    head,
    ...pods.map(({ name, state, limits, mail, connections, lastReply = '' }) => [
      name,
      state,
      limits,
      String(mail.ready),
      String(mail.asleep),
      String(mail.waiting),
      String(mail.inFlight),
      String(connections),
      mail.oldestAgeMs === 0 ? '-' : ageText(mail.oldestAgeMs),
      mail.nextDueInMs === undefined ? '-' : clockText(new Date(nowMs + mail.nextDueInMs).toISOString()),
      lastReply.length > REPLY_WIDTH ? `${lastReply.slice(0, REPLY_WIDTH - 1)}…` : lastReply,
    ]),
  ]);
}

/** `at 12:03:01Z (in 2s)`; of a day or more the date too. */
function untilText(word: string, atMs: number, nowMs: number): string {
  const at = new Date(atMs).toISOString();
  const far = atMs - nowMs >= 86_400_000;
  const spanMs = Math.max(0, atMs - nowMs);
  const span = spanMs < SHORT_MS ? `${(spanMs / 1000).toFixed(1)}s` : ageText(spanMs);
  return `${word} ${far ? at.replace(/\.\d+Z/, 'Z') : clockText(at)} (in ${span})`;
}

/** `12:03:01Z` */
function clockText(at: string): string {
  return `${at.slice(11, 19)}Z`;
}
