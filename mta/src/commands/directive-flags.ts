import { formatDuration, formatRate, parseDuration } from '@sluice/crds';
import { type Command, InvalidArgumentError } from 'commander';
import type { Directive, Selector } from '../react/mod.ts';
import { ageText } from './age-text.ts';
import { textTable } from './text-table.ts';

/** Where an MTA serves its admin API unless its settings say otherwise. */
export const DEFAULT_ADMIN = '127.0.0.1:9025';

/** Fields of a selector, as options name them. */
const FIELDS = {
  pool: 'of this pool',
  source: 'through this source, its name or its public address',
  site: 'to this site',
  group: 'to this Group',
  domain: 'to this domain',
  mxHost: 'to this host',
  tenant: 'of this tenant',
  campaign: 'of this campaign',
  class: 'of this class',
} as const;

export type SelectorFlags = { readonly [F in keyof typeof FIELDS]?: string };

/** Adds an option for each field of a selector; `early` = not those that are known only when a source is chosen. */
export function addSelector(command: Command, early = false): Command {
  for (const [field, words] of Object.entries(FIELDS)) {
    if (early && (field === 'source' || field === 'mxHost')) continue;
    command.option(`--${field === 'mxHost' ? 'mx-host' : field} <name>`, `mail ${words}`);
  }
  return command;
}

/** The selector that the flags make; those of several kinds are ANDed. */
export function selectorOfFlags(flags: SelectorFlags): Selector {
  const { pool, source, site, group, domain, mxHost, tenant, campaign } = flags;
  return {
    ...(pool === undefined ? {} : { pool }),
    ...(source === undefined ? {} : { source }),
    ...(site === undefined ? {} : { site }),
    ...(group === undefined ? {} : { group }),
    ...(domain === undefined ? {} : { domain: domain.toLowerCase() }),
    ...(mxHost === undefined ? {} : { mxHost: mxHost.toLowerCase() }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(campaign === undefined ? {} : { campaign }),
    ...(flags.class === undefined ? {} : { class: flags.class }),
  };
}

/** Parses `2h`, `30m`. */
export function duration(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms === 0) throw new InvalidArgumentError('it is a duration such as 30m or 2h.');
  return ms;
}

/** Directives as a table for people. */
export function directivesText(directives: readonly Directive[], nowMs: number): string {
  if (directives.length === 0) return 'No directive is in force.\n';
  const head = ['EFFECT', 'MAIL', 'BY', 'AGE', 'ENDS', 'REASON'];
  return textTable([
    head,
    ...directives.map((each) => [
      effectText(each),
      Object.entries(each.selector)
        .map(([field, value]) => `${field}=${value}`)
        .join(' '),
      each.origin.toLowerCase(),
      ageText(nowMs - each.createdAtMs),
      each.expiresAtMs === 0 ? 'never' : `in ${ageText(each.expiresAtMs - nowMs)}`,
      each.reason,
    ]),
  ]);
}

/** What a directive does, in a few words. */
export function effectText({ effect }: Directive): string {
  switch (effect.type) {
    case 'SetLimit':
      return `override ${effect.limitName} ${Object.entries(effect.bounds)
        .map(([name, value]) => `${name}=${typeof value === 'object' ? formatRate(value) : value}`)
        .join(' ')}`;
    case 'Scale':
      return `scale ${effect.limitName} ${effect.bound} to ${Math.round(effect.percent)} %, back by ${effect.recoverPercent} % every ${formatDuration(effect.recoverEveryMs)}`;
    case 'Reroute':
      return `reroute to ${effect.pool}`;
    default:
      return effect.type.toLowerCase();
  }
}
