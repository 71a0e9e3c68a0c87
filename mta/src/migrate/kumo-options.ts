import type { KumoOption } from './kumo-blocks.ts';
import { type LayerDraft, SOURCE_GROUP, SOURCE_SITE } from './layer-draft.ts';
import { countOf, durationOf, rateOf } from './quantity.ts';
import type { Omissions } from './translation.ts';

/** Options that become fields of `session`, and how their value is read. */
const SESSION: Readonly<Record<string, readonly [path: string, read: (value: unknown) => unknown]>> = {
  max_deliveries_per_connection: ['messagesPerConnection', countOf],
  max_recipients_per_batch: ['recipientsPerTransaction', countOf],
  idle_timeout: ['idleTimeout', durationOf],
  connect_timeout: ['timeouts.connect', durationOf],
  banner_timeout: ['timeouts.greeting', durationOf],
  ehlo_timeout: ['timeouts.ehlo', durationOf],
  starttls_timeout: ['timeouts.startTls', durationOf],
  auth_timeout: ['timeouts.auth', durationOf],
  mail_from_timeout: ['timeouts.mail', durationOf],
  rcpt_to_timeout: ['timeouts.rcpt', durationOf],
  data_timeout: ['timeouts.data', durationOf],
  data_dot_timeout: ['timeouts.finalDot', durationOf],
  rset_timeout: ['timeouts.rset', durationOf],
  enable_tls: ['tls.level', tlsLevelOf],
  enable_mta_sts: ['tls.mtaSTS', switchOf],
  enable_dane: ['tls.dane', switchOf],
};

interface Bound {
  readonly limit: string;
  readonly bound: string;
  readonly read: (value: unknown, say: (reason: string) => void) => unknown;
}

/**
 * Options that become bounds. A message in KumoMTA's ready queue has, as a rule, one recipient: its message rates count
 * what our `recipientRate` counts.
 */
export const BOUNDS: Readonly<Record<string, Bound>> = {
  connection_limit: { limit: SOURCE_SITE, bound: 'connections', read: connectionsOf },
  max_connection_rate: { limit: SOURCE_SITE, bound: 'connectionRate', read: throttleOf },
  max_message_rate: { limit: SOURCE_SITE, bound: 'recipientRate', read: throttleOf },
  provider_connection_limit: { limit: SOURCE_GROUP, bound: 'connections', read: connectionsOf },
  provider_max_message_rate: { limit: SOURCE_GROUP, bound: 'recipientRate', read: throttleOf },
};

const SOURCE_WARMUP =
  'A share of one source is no limit here: give it a weight, or a warmup, in its EgressPool.';
const OWN_CARE = 'Sluice does this by itself.';
const ROUTE = 'Of a host, not of a limit: spec.routes in sluice.yaml.';
const TLS_LIBRARY = 'There is one TLS library, and nothing to choose.';

/** Options that have no counterpart, each with what to do instead. */
const WITHOUT_COUNTERPART: Readonly<Record<string, string>> = {
  mx_rollup:
    'Domains of one MX set share their site by themselves; where the options are meant for all of them, write match.mxSuffixes instead of match.domains.',
  replace_base:
    'Wider layers cannot be thrown away: take single bounds back with Unlimited, and limits with state: Disabled.',
  consecutive_connection_failures_before_delay:
    'A site that refuses everything pauses and is probed; nothing is counted.',
  max_ready: 'There is no ready queue; memory is bounded in sluice.yaml.',
  remember_broken_tls: OWN_CARE,
  opportunistic_tls_reconnect_on_failed_handshake: OWN_CARE,
  reconnect_strategy: `${OWN_CARE} See the table of failures in docs/reference/delivery.md.`,
  try_next_host_on_transport_error: `${OWN_CARE} See the table of failures in docs/reference/delivery.md.`,
  system_shutdown_timeout: 'Of the program, not of a destination: see the drain time in sluice.yaml.',
  enable_pipelining: OWN_CARE,
  enable_rset: OWN_CARE,
  ignore_8bit_checks: OWN_CARE,
  smtp_port: ROUTE,
  smtp_auth_plain_username: ROUTE,
  smtp_auth_plain_password: ROUTE,
  allow_smtp_auth_plain_without_tls: ROUTE,
  allow_smtp_auth_plain_without_valid_certificate: ROUTE,
  use_lmtp: 'Mail leaves over SMTP only.',
  ehlo_domain: 'It belongs to the source: ehlo in its EgressPool.',
  prohibited_hosts: 'Of routing, not of a limit: sluice.yaml.',
  skip_hosts: 'Of routing, not of a limit: sluice.yaml.',
  ip_lookup_strategy: 'The family is that of the source.',
  provider_name: 'The name of the destination takes its place.',
  source_selection_rate: SOURCE_WARMUP,
  additional_source_selection_rates: SOURCE_WARMUP,
  provider_source_selection_rate: SOURCE_WARMUP,
  tls_prefer_openssl: TLS_LIBRARY,
  openssl_cipher_list: TLS_LIBRARY,
  openssl_cipher_suites: TLS_LIBRARY,
  openssl_options: TLS_LIBRARY,
  rustls_cipher_suites: TLS_LIBRARY,
  tls_certificate: 'Client certificates are not offered.',
  tls_private_key: 'Client certificates are not offered.',
  refresh_interval: 'Changed resources take effect by themselves.',
  refresh_strategy: 'Changed resources take effect by themselves.',
  dispatcher_wakeup_strategy: OWN_CARE,
  dispatcher_progress_watchdog_timeout: OWN_CARE,
  maintainer_wakeup_strategy: OWN_CARE,
  low_memory_reduction_policy: OWN_CARE,
  no_memory_reduction_policy: OWN_CARE,
  readyq_pool_name: OWN_CARE,
  aggressive_connection_opening: OWN_CARE,
  retry_interval: 'Retries of KumoMTA come from its queue configuration: spec.default.retry says them here.',
  max_age:
    'The age comes from the queue configuration of KumoMTA: spec.default.retry.expireAfter says it here.',
};

/** Puts one option into a layer, or takes down why not. `isGroup`: the layer has a Group to count for. */
export function translateOption(
  option: KumoOption,
  layer: LayerDraft,
  isGroup: boolean,
  omissions: Omissions,
): void {
  const say = (reason: string) => omissions.add(option.origin, option.directive, reason);
  const { name } = option;
  const session = own(SESSION, name);
  if (session !== undefined) {
    const value = session[1](option.value);
    if (value === undefined) say(unread(option.value));
    else layer.session(session[0], value);
    return;
  }
  const bound = own(BOUNDS, name);
  if (bound === undefined)
    return say(own(WITHOUT_COUNTERPART, name) ?? 'Not an option that the translator knows.');
  if (bound.limit === SOURCE_GROUP && !isGroup)
    return say('Only a Group can share a limit over sites: give the destination match.mxSuffixes.');
  const value = bound.read(option.value, say);
  if (value !== undefined) layer.bound(bound.limit, bound.bound, value);
}

/** The same for one source: bounds only, the session is the same for all of them. */
export function translateSourceOption(
  option: KumoOption,
  source: string,
  layer: LayerDraft,
  isGroup: boolean,
  omissions: Omissions,
): void {
  const say = (reason: string) => omissions.add(option.origin, option.directive, reason);
  const bound = own(BOUNDS, option.name);
  if (bound === undefined) {
    const reason =
      own(SESSION, option.name) === undefined
        ? (own(WITHOUT_COUNTERPART, option.name) ?? 'Not an option that the translator knows.')
        : 'A session is used in the same way from every source; only bounds can differ.';
    return say(reason);
  }
  if (bound.limit === SOURCE_GROUP && !isGroup)
    return say('Only a Group can share a limit over sites: give the destination match.mxSuffixes.');
  const value = bound.read(option.value, say);
  if (value !== undefined && !layer.override(bound.limit, source, bound.bound, value))
    say('A limit has at most 16 overrides: give the sources a label and write one with sourceSelector.');
}

/** A throttle `[local:]N/period[,max_burst=B]`. */
export function throttleOf(value: unknown, say: (reason: string) => void): string | undefined {
  const [, local, text = '', burst] =
    /^\s*(local:)?([^=]*?)(,\s*max_burst\s*=\s*[0-9_]+)?\s*$/.exec(String(value)) ?? [];
  const rate = rateOf(text);
  if (rate === undefined) say(unread(value));
  else {
    if (local !== undefined) say(LOCAL);
    if (burst !== undefined)
      say(
        'The rate is translated without max_burst: a burst here is one of the whole limit, set it by hand.',
      );
  }
  return rate;
}

function connectionsOf(value: unknown, say: (reason: string) => void): number | undefined {
  const local = typeof value === 'string' && value.startsWith('local:');
  const count = countOf(local ? value.slice('local:'.length) : value);
  if (count === undefined) say(unread(value));
  else if (local) say(LOCAL);
  return count;
}

const LOCAL =
  'Translated as a bound of all pods together, not per node; scope: Pod makes it one of each pod.';

function unread(value: unknown): string {
  return `Not a value that the translator can read: ${JSON.stringify(value)?.slice(0, 80) ?? String(value)}.`;
}

/** Their Opportunistic and Required check the certificate; ours checks one only where the level is Verify. */
function tlsLevelOf(value: unknown): string | undefined {
  return own(
    {
      Disabled: 'Disabled',
      Opportunistic: 'Opportunistic',
      OpportunisticInsecure: 'Opportunistic',
      Required: 'Verify',
      RequiredInsecure: 'Encrypt',
    },
    String(value),
  );
}

function switchOf(value: unknown): string | undefined {
  return typeof value === 'boolean' ? (value ? 'Enabled' : 'Disabled') : undefined;
}

function own<V>(table: Readonly<Record<string, V>>, key: string): V | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
