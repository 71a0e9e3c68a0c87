import type { PoolConfig } from '@sluice/crds';
import { type ConfigDiff, type DestinationChange, isEmpty } from './config-diff.ts';
import { spelledText } from './spelling.ts';
import { textTable } from './text-table.ts';
import type { FieldChange } from './value-diff.ts';

/**
 * A difference for people, made to be put under a pull request: lines begin with `+`, `-` or `!` (changed), which a `diff` block of
 * Markdown colours.
 */
export function configDiffText(diff: ConfigDiff): string {
  if (isEmpty(diff)) return 'No effective change.\n';
  const byPool = Map.groupBy(diff.pools, ({ pool }) => pool);
  const byScope = Map.groupBy(diff.destinations, scopeKey);
  const sections = [
    ...diff.poolsAdded.map((pool) => `+ Pool ${pool.name}\n${sourceTable(pool, '+')}`),
    ...diff.poolsRemoved.map((pool) => `- Pool ${pool.name}\n${sourceTable(pool, '-')}`),
    ...[...byPool].map(([pool, changes]) => `Pool ${pool}\n${changeTable(changes)}`),
    ...[...byScope.values()].map((changes) => `${scopeOf(changes)}\n${changeTable(changes)}`),
  ];
  if (diff.destinations.length > 0) sections.push(...diff.assumptions.map((sentence) => `${sentence}\n`));
  return sections.join('\n');
}

function sourceTable({ sources }: PoolConfig, mark: string): string {
  return textTable(sources.map(({ name, address, ehlo, state }) => [mark, name, address, ehlo, state]));
}

/** Changes of one scope are told together; long lists are shortened only where they are shown. */
function scopeKey({ pools, destinations, others, except }: DestinationChange): string {
  return JSON.stringify([pools, destinations, others, except]);
}

function scopeOf([first]: readonly DestinationChange[]): string {
  return first === undefined ? '' : scopeText(first);
}

/** Names shown of a list; all of them are in the JSON. */
const MAX_NAMES = 12;

function scopeText({ pools, destinations, others, except }: DestinationChange): string {
  const from = pools === 'every' ? 'every pool' : listed(pools.map((pool) => pool || 'any pool'));
  if (!others) return `Mail to ${listed(destinations)} from ${from}`;
  if (except.length === 0) return `Mail to every destination from ${from}`;
  return `Mail to every destination but ${listed(except)} from ${from}`;
}

function listed(names: readonly string[]): string {
  const more = names.length - MAX_NAMES;
  return more <= 1 ? names.join(', ') : `${names.slice(0, MAX_NAMES).join(', ')} and ${more} more`;
}

function changeTable(changes: readonly FieldChange[]): string {
  return textTable(changes.map((change) => [markOf(change), change.field, valueText(change)]));
}

const BOUND = /\.(connections|connectionRate|recipientRate|messageRate|byteRate)$/;

function markOf({ field, old, new: now }: FieldChange): string {
  if (BOUND.test(field) || (old !== undefined && now !== undefined)) return '!';
  return old === undefined ? '+' : '-';
}

function valueText({ field, old, new: now }: FieldChange): string {
  const absent = BOUND.test(field) ? 'Unlimited' : undefined;
  const sides = [old ?? absent, now ?? absent].filter((side) => side !== undefined);
  return sides.map(spelledText).join(' -> ');
}
