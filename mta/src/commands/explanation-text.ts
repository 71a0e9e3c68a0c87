import { type ExplainedDestination, type RemovedLimit, type SourceConfig, wayOutText } from '@sluice/crds';
import type {
  BoundRow,
  Explanation,
  LimitForSources,
  LimitRow,
  ReactionRow,
  WayThere,
} from './explanation.ts';
import { originText, spelledText } from './spelling.ts';
import { textTable } from './text-table.ts';

/** An explanation for people: what the mail is and where it goes, then tables of sources, options and limits. */
export function explanationText(explanation: Explanation): string {
  const { sources, options, limits, removed, reactions } = explanation;
  const sections = [`${explanation.mail.recipient}\n${textTable(headRows(explanation))}`];
  if (explanation.pool !== undefined) {
    sections.push(
      textTable([
        ['SOURCE', 'ADDRESS', 'EHLO', 'WEIGHT', 'STATE', 'WAY OUT', 'LABELS'],
        ...sources.map(sourceRow),
      ]),
      textTable([
        ['OPTION', 'VALUE', 'FROM'],
        ...options.map(({ field, value, from }) => [
          field,
          spelledText(value),
          from === 'routes' ? 'spec.routes of sluice.yaml' : originText(from),
        ]),
      ]),
      limits.length === 0
        ? 'No limit applies.\n'
        : textTable([
            ['LIMIT', 'PER', 'SCOPE', 'BOUND', 'VALUE', 'SOURCES', 'FROM'],
            ...limits.flatMap((limit) => limitRows(limit, sources.length)),
          ]),
    );
    if (reactions.length > 0)
      sections.push(textTable([['REACTION', 'FIELD', 'VALUE', 'FROM'], ...reactions.flatMap(reactionRows)]));
    if (removed.length > 0) sections.push(removed.map(removedText).join(''));
  }
  return sections.join('\n');
}

function headRows({ mail, pool, route, group, destinations }: Explanation): readonly string[][] {
  const { tenant, sender, class: mailClass, campaign } = mail;
  const labels = labelText(tenant.labels);
  const optional = (name: string, value: string) => (value === '' ? [] : [['', name, value]]);
  const poolText =
    pool === undefined
      ? 'none: no match entry holds, such mail is refused with 451 4.3.5'
      : `${pool.name}, by its match entry ${pool.match} (priority ${pool.priority}); ${pool.strategy}, ${pool.onRetry}, urgency ${pool.urgency}`;
  const fallback = pool?.fallbackPool ?? '';
  return [
    ...optional('from', sender),
    ...optional('tenant', labels === '' ? tenant.name : `${tenant.name} (${labels})`),
    ...optional('class', mailClass),
    ...optional('campaign', campaign),
    ['', 'pool', poolText],
    ...optional('fallback', fallback),
    ...routeRows(route),
    ...(pool === undefined ? [] : [['', 'group', groupText(group, destinations)]]),
    ...destinations.filter(({ layer }) => layer !== 'Group').map((found) => ['', ...destinationCells(found)]),
  ];
}

const ORIGIN_WORDS = {
  mx: 'MX',
  implicit: 'no MX, its own address',
  static: 'spec.routes of sluice.yaml',
  literal: 'address literal',
  given: '--mx',
} as const;

function routeRows(route: WayThere): readonly string[][] {
  if ('noRoute' in route) return [['', 'route', `none: ${route.noRoute}`]];
  const hosts = route.hosts.map(({ name, preference }) =>
    route.origin === 'given' ? name : `${name} (${preference})`,
  );
  return [
    ['', 'hosts', `${hosts.join(', ')}, by ${ORIGIN_WORDS[route.origin]}`],
    ['', 'site', route.site],
  ];
}

function groupText(group: string, destinations: readonly ExplainedDestination[]): string {
  const found = destinations.find(({ layer }) => layer === 'Group');
  if (found === undefined) return 'none';
  return `${group}, by ${found.claim} ${found.values.join(', ')}`;
}

function destinationCells({ name, layer, claim, values }: ExplainedDestination): readonly string[] {
  return [layer === 'Domain' ? 'domain' : 'suffix', `${name}, by ${claim} ${values.join(', ')}`];
}

function sourceRow(source: SourceConfig): readonly string[] {
  const { name, address, ehlo, weight, state, egress, labels } = source;
  return [name, address, ehlo, String(weight), state, wayOutText(egress), labelText(labels)];
}

function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([label, value]) => `${label}=${value}`)
    .join(', ');
}

function limitRows(limit: LimitRow, sourceCount: number): readonly string[][] {
  const rows = limit.for.flatMap((met) => {
    const sources = met.sources.length === sourceCount ? 'all' : met.sources.join(', ');
    if (met.reason !== undefined) return [['not applied', '', sources, reasonText(met)]];
    return met.bounds.map((bound) => [bound.bound, spelledText(bound.value), sources, bySay(bound)]);
  });
  return rows.map((row, at) => [
    ...(at === 0 ? [limit.name, limit.per.join(', '), limit.scope] : ['', '', '']),
    ...row,
  ]);
}

function reasonText({ reason, missing }: LimitForSources): string {
  if (reason === 'NoValue') return `the mail has no ${missing}`;
  return reason === 'When' ? 'its `when` does not hold' : 'an override takes every bound back';
}

function reactionRows({ name, fields }: ReactionRow): readonly string[][] {
  return fields.map(({ field, value, from }, at) => [
    at === 0 ? name : '',
    field,
    spelledText(value),
    originText(from),
  ]);
}

function bySay({ from, override, rival }: BoundRow): string {
  if (rival !== undefined) return `EgressPool/${rival}, which shares the counter and binds it to less`;
  if (from === undefined) return '';
  return override === undefined ? originText(from) : `${originText(from)}, override ${override}`;
}

const REMOVED_WORDS: Readonly<Record<RemovedLimit['reason'], string>> = {
  Disabled: 'is disabled',
  NoCounter: 'binds nothing, no layer gives it a `per`',
  NoBound: 'binds nothing, every bound is absent or Unlimited',
};

function removedText({ name, reason, from }: RemovedLimit): string {
  return `Limit ${name} ${REMOVED_WORDS[reason]}: ${originText(from)}.\n`;
}
