import { type Command, InvalidArgumentError } from 'commander';
import { groupsIn, type ListingFilter, type ListingRow, mergeListings } from '../dispatch/mod.ts';
import { ageText } from './age-text.ts';
import { listingsOf, silentPods } from './asked-pods.ts';
import { DEFAULT_ADMIN } from './directive-flags.ts';
import { addNatsOptions, type NatsFlags, whomToAsk } from './nats-flags.ts';
import { addPoisonCommands } from './poison.ts';
import { textTable } from './text-table.ts';

const BY = { lane: 'Lane', tenant: 'Tenant', domain: 'Domain' } as const;

interface ListFlags extends ListingFilter, NatsFlags {
  readonly by: keyof typeof BY;
  readonly limit: number;
  readonly admin?: readonly string[];
}

const DEFAULT_ROWS = 50;

/** Adds `sluice queue`: what is queued. */
export function queue(program: Command): void {
  const group = program
    .command('queue')
    .summary('Look at queued mail')
    .description('Looks at the mail that running MTAs have queued.');
  const list = group
    .command('list')
    .summary('Count queued mail by lane, tenant or domain')
    .description(
      'Asks running MTAs what they have queued and adds it up: recipient groups (one message to one domain) by what they wait for, the oldest, ' +
        'when the next waiting one is due, and the last reply that put mail of the lane off.',
    )
    .option('--by <what>', 'lane, tenant or domain', by, 'lane')
    .option('--pool <name>', 'only mail of this pool')
    .option('--site <name>', 'only mail to this site')
    .option('--tenant <name>', 'only mail of this tenant')
    .option('--domain <name>', 'only mail to this domain')
    .option('--campaign <name>', 'only mail of this campaign')
    .option('--class <name>', 'only mail of this class')
    .option('--limit <n>', 'rows, those with most mail first', atLeastOne, DEFAULT_ROWS)
    .option('--admin <address:port...>', `admin addresses of the MTAs to ask (default: ${DEFAULT_ADMIN})`);
  addNatsOptions(list)
    .addHelpText(
      'after',
      '\nExamples:\n  $ sluice queue list\n  $ sluice queue list --by tenant --pool shared-a\n' +
        '  $ sluice queue list --by domain --tenant shop --json\n  $ sluice queue list --admin 10.0.0.1:9025 10.0.0.2:9025\n' +
        '  $ sluice queue list --config sluice.yaml\n  $ sluice queue list --nats nats://nats.mail:4222\n',
    )
    .action(async (flags: ListFlags, command: Command) => {
      const { json } = command.optsWithGlobals<{ json?: true }>();
      const { by: key, limit } = flags;
      const { listings, silent } = await listingsOf(whomToAsk(flags), BY[key], filterOf(flags));
      const rows = mergeListings(listings.map((listing) => listing.rows));
      const more = listings.reduce((sum, { left }) => sum + left, Math.max(0, rows.length - limit));
      const poisoned = listings.reduce((sum, { poisoned: some }) => sum + some, 0);
      const shown = rows.slice(0, limit);
      const write = command.configureOutput().writeOut;
      if (json)
        write?.(
          `${JSON.stringify({ by: BY[key], rows: shown.map((row) => rowJson(row, key)), more, poisoned, silent })}\n`,
        );
      else write?.(listText(shown, key, more, Date.now()) + poisonedText(poisoned));
      if (silent.length > 0) throw silentPods(silent);
    });
  addPoisonCommands(group);
}

function filterOf({ pool, site, tenant, domain, campaign, class: name }: ListFlags): ListingFilter {
  return {
    ...(pool !== undefined && { pool }),
    ...(site !== undefined && { site }),
    ...(tenant !== undefined && { tenant }),
    ...(domain !== undefined && { domain }),
    ...(campaign !== undefined && { campaign }),
    ...(name !== undefined && { class: name }),
  };
}

/** Names of a row, as its listing is by. */
function nameOf(row: ListingRow, by: keyof typeof BY): Readonly<Record<string, string>> {
  if (by === 'lane') return { pool: row.pool, site: row.site };
  return by === 'tenant' ? { tenant: row.tenant } : { domain: row.domain };
}

function rowJson(row: ListingRow, by: keyof typeof BY) {
  return {
    ...nameOf(row, by),
    groups: groupsIn(row),
    ready: row.ready,
    asleep: row.asleep,
    waiting: row.waiting,
    inFlight: row.inFlight,
    recipients: row.recipients,
    ...(row.oldestAcceptedAtMs === 0 ? {} : { oldest: new Date(row.oldestAcceptedAtMs).toISOString() }),
    ...(row.nextDueAtMs === 0 ? {} : { nextDue: new Date(row.nextDueAtMs).toISOString() }),
    ...(row.lastReply === '' ? {} : { lastReply: row.lastReply }),
  };
}

/** Replies longer than this are cut in the table, characters. */
const REPLY_WIDTH = 70;

function listText(rows: readonly ListingRow[], by: keyof typeof BY, more: number, nowMs: number): string {
  if (rows.length === 0) return 'Nothing is queued.\n';
  const names = by === 'lane' ? ['POOL', 'SITE'] : [by.toUpperCase()];
  const head = [
    ...names,
    'GROUPS',
    'READY',
    'LIMITED',
    'WAITING',
    'IN FLIGHT',
    'OLDEST',
    'NEXT DUE',
    'LAST REPLY',
  ];
  const lines = rows.map((row) => [
    ...Object.values(nameOf(row, by)).map((name) => (name === '' ? '-' : name)),
    String(groupsIn(row)),
    String(row.ready),
    String(row.asleep),
    String(row.waiting),
    String(row.inFlight),
    row.oldestAcceptedAtMs === 0 ? '-' : ageText(nowMs - row.oldestAcceptedAtMs),
    row.nextDueAtMs === 0 ? '-' : `in ${ageText(row.nextDueAtMs - nowMs)}`,
    row.lastReply.length > REPLY_WIDTH ? `${row.lastReply.slice(0, REPLY_WIDTH - 1)}…` : row.lastReply,
  ]);
  const rest = more === 0 ? '' : `and ${more} more (--limit)\n`;
  return textTable([head, ...lines]) + rest;
}

function poisonedText(messages: number): string {
  if (messages === 0) return '';
  const what = messages === 1 ? '1 message is' : `${messages} messages are`;
  return `${what} held as poison: sluice queue poison\n`;
}

function by(text: string): keyof typeof BY {
  for (const known of ['lane', 'tenant', 'domain'] as const) if (known === text) return known;
  throw new InvalidArgumentError('it is lane, tenant or domain.');
}

function atLeastOne(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('it must be a whole number above 0.');
}
