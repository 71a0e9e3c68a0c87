import { type LayerDraft, SOURCE_SITE } from './layer-draft.ts';
import type { PowermtaDirective } from './powermta-file.ts';
import { countOf, durationOf, rateOf } from './quantity.ts';
import type { Omissions } from './translation.ts';

/** `0` stands for "no limit" in PowerMTA; this is the most that ours can say. */
const MAX_MESSAGES_PER_CONNECTION = 1_000_000;

/** The value that takes a bound back. */
const UNLIMITED = 'Unlimited';

const BOUNDS: Readonly<Record<string, readonly [bound: string, read: (value: string) => unknown]>> = {
  'max-smtp-out': ['connections', countBound],
  'max-connect-rate': ['connectionRate', rateBound],
  // Counts attempted recipients, whatever its name says.
  'max-msg-rate': ['recipientRate', rateBound],
  'max-data-volume-rate': ['byteRate', rateBound],
};

const SESSION: Readonly<Record<string, readonly [path: string, read: (value: string) => unknown]>> = {
  'max-msg-per-connection': [
    'messagesPerConnection',
    (value) => (value === '0' ? MAX_MESSAGES_PER_CONNECTION : countOf(value)),
  ],
  'max-rcpt-per-transaction': ['recipientsPerTransaction', countOf],
  'connection-idle-timeout': ['idleTimeout', durationOf],
  'connect-timeout': ['timeouts.connect', durationOf],
  'smtp-greeting-timeout': ['timeouts.greeting', durationOf],
  'data-send-timeout': ['timeouts.dataBlock', durationOf],
  'smtp-data-termination-timeout': ['timeouts.finalDot', durationOf],
};

/** Read by other translators of the same block: patterns and their consequences, TLS. */
const ELSEWHERE = new Set([
  'smtp-pattern-list',
  'backoff-max-msg-rate',
  'backoff-max-smtp-out',
  'backoff-to-normal-after',
  'backoff-retry-after',
  'reenable-source-ip-after',
  'use-starttls',
  'require-starttls',
]);

const PER_LOCAL_ADDRESS =
  'A bound per range of local addresses has no counterpart: write overrides with when.sources.';
const BACKOFF = 'There is no backoff mode: what a reaction changes ends by its time.';
const SIGNING = 'Signing is not set per destination.';

const WITHOUT_COUNTERPART: Readonly<Record<string, string>> = {
  'source-ip-max-smtp-out': PER_LOCAL_ADDRESS,
  'source-ip-max-msg-rate': PER_LOCAL_ADDRESS,
  'source-ip-max-connect-rate': PER_LOCAL_ADDRESS,
  'source-ip-max-data-volume-rate': PER_LOCAL_ADDRESS,
  'smtp-out-rampup-interval': 'connectionRate spaces new connections.',
  'backoff-max-data-volume-rate': BACKOFF,
  'backoff-to-normal-after-delivery': BACKOFF,
  'backoff-upon-all-sources-disabled': BACKOFF,
  'backoff-reroute-to-virtual-mta': 'Write a reaction with the action Reroute.',
  'backoff-notify': 'Events and metrics tell; nobody is written to.',
  'max-errors-per-connection': 'A connection ends when the receiver ends it.',
  'max-rcpt-per-message': 'Messages are taken as they are handed in.',
  'retry-recipients-after': 'All recipients of a message are tried again by retry.delays.',
  'retry-after-dns-error': 'Failures of DNS are tried again by retry.delays.',
  'retry-upon-new-mail': 'A message keeps its own time of retry.',
  'disable-mx-rollup': 'Domains of one MX set always share their site.',
  'queue-to': 'Queues are not put together by hand: give the destination match.mxSuffixes.',
  'max-cold-virtual-mta-msg': 'Give the source a warmup in its EgressPool.',
  'bounce-upon-transfer-failure': 'See the table of failures in docs/reference/delivery.md.',
  'assume-delivery-upon-data-termination-timeout': 'What was not confirmed is sent again.',
  'allow-cancel-during-transfer': 'A transfer that has begun is finished.',
  'bounce-upon-5xx-greeting': 'See the table of failures in docs/reference/delivery.md.',
  'smtp-421-means-mx-unavailable': 'See the table of failures in docs/reference/delivery.md.',
  'bounce-upon-no-mx': 'See the table of failures in docs/reference/delivery.md.',
  'queue-priority': 'Write urgency in the EgressPool, or classes of mail.',
  'allow-priority-interruption-during-transfer': 'A transfer that has begun is finished.',
  'dkim-sign': SIGNING,
  'dkim-identity': SIGNING,
  'dkim-identity-fallback': SIGNING,
  'dkim-disallow-adding-headers': SIGNING,
  'dkim-expire-after': SIGNING,
  'dkim-algorithm': SIGNING,
};

/** Puts the directives of a `<domain>` into a layer. */
export function translateDirectives(
  directives: readonly PowermtaDirective[],
  layer: LayerDraft,
  omissions: Omissions,
): void {
  for (const directive of directives) {
    const { name, value } = directive;
    const say = (reason: string) => omissions.add(directive.origin, name, reason);
    const bound = own(BOUNDS, name);
    const session = own(SESSION, name);
    const read = (bound ?? session)?.[1](value);
    if (name === 'retry-after') {
      const delays = value.split(/[\s,]+(?=\d)/).map(durationOf);
      if (delays.every((delay) => delay !== undefined)) layer.retry('delays', delays);
      else say(unread(value));
    } else if (name === 'bounce-after') {
      const age = durationOf(value);
      if (age === undefined) say(unread(value));
      else layer.retry('expireAfter', age);
    } else if (bound === undefined && session === undefined) {
      if (!ELSEWHERE.has(name))
        say(own(WITHOUT_COUNTERPART, name) ?? 'Not a directive that the translator knows.');
    } else if (read === undefined) say(unread(value));
    else if (bound !== undefined) layer.bound(SOURCE_SITE, bound[0], read);
    else if (session !== undefined) layer.session(session[0], read);
  }
  translateTls(directives, layer, omissions);
}

/** Directives of a `<domain>` inside a `<virtual-mta>`: bounds of its sources. */
export function translateSourceDirectives(
  directives: readonly PowermtaDirective[],
  sources: readonly string[],
  layer: LayerDraft,
  omissions: Omissions,
): void {
  for (const { name, value, origin } of directives) {
    const say = (reason: string) => omissions.add(origin, name, reason);
    const bound = own(BOUNDS, name);
    const read = bound?.[1](value);
    if (bound === undefined) say('Only bounds can differ between sources.');
    else if (read === undefined) say(unread(value));
    else if (sources.length === 0) say('The virtual MTA has no source that was translated.');
    else if (!sources.every((source) => layer.override(SOURCE_SITE, source, bound[0], read)))
      say('A limit has at most 16 overrides: give the sources a label and write one with sourceSelector.');
  }
}

function translateTls(
  directives: readonly PowermtaDirective[],
  layer: LayerDraft,
  omissions: Omissions,
): void {
  const switches = directives.filter(({ name }) => name === 'use-starttls' || name === 'require-starttls');
  for (const { name, value, origin } of switches)
    if (switchOf(value) === undefined) omissions.add(origin, name, unread(value));
  const state = (wanted: string) => switchOf(switches.findLast(({ name }) => name === wanted)?.value ?? '');
  const [use, must] = [state('use-starttls'), state('require-starttls')];
  if (must === true) layer.session('tls.level', 'Encrypt');
  else if (use !== undefined) layer.session('tls.level', use ? 'Opportunistic' : 'Disabled');
  else if (must === false) layer.session('tls.level', 'Opportunistic');
}

/** A number of connections as a bound. */
export function countBound(value: string): unknown {
  return /^unlimited$/i.test(value) ? UNLIMITED : countOf(value);
}

/** A rate as a bound. */
export function rateBound(value: string): unknown {
  return /^unlimited$/i.test(value) ? UNLIMITED : rateOf(value);
}

function switchOf(value: string): boolean | undefined {
  if (/^(yes|true|1)$/i.test(value)) return true;
  return /^(no|false|0)$/i.test(value) ? false : undefined;
}

function unread(value: string): string {
  return `Not a value that the translator can read: ${value.slice(0, 80)}`;
}

function own<V>(table: Readonly<Record<string, V>>, key: string): V | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
