import type { Session, SessionFailure } from '../deliver/mod.ts';
import { proxyDoubt, sourceFamily } from '../egress/mod.ts';
import type { NoRoute, Target } from '../route/mod.ts';
import type { ConnectionGrant, Waiter } from '../shape/mod.ts';
import type { CarriedUnit } from './carried-unit.ts';
import { CarryingSession } from './carrying-session.ts';
import { isSilence } from './connection-verdict.ts';
import type { DispatchContext } from './dispatch-context.ts';
import type { LaneSource } from './lane-source.ts';

/** How the opening of a connection ended. Only `opened` holds slots still. */
export type Opening =
  | { readonly kind: 'opened'; readonly session: CarryingSession }
  | { readonly kind: 'failed'; readonly failure: SessionFailure | NoRoute }
  /** Every host that could be tried is at a limit of its own; the source is woken when there is room. */
  | { readonly kind: 'waits' }
  /** The lane closed meanwhile. */
  | { readonly kind: 'given-up' };

/**
 * Tries the hosts of a site in order until one greets. The slots of the lane are held for it; they go to the session, or back when no
 * host may still count the connection.
 */
export async function openConnection(
  context: DispatchContext,
  laneSource: LaneSource,
  unit: CarriedUnit,
  slots: ConnectionGrant,
  signal: AbortSignal,
): Promise<Opening> {
  const { shaper, clock, router } = context;
  let hostWaiter: Waiter | undefined;
  let hostSlots: ConnectionGrant | undefined;
  let failure: SessionFailure | NoRoute | undefined;
  let opening: Opening = { kind: 'given-up' };
  try {
    for await (const target of router.targets(unit.destination.route, sourceFamily(laneSource.source))) {
      if (signal.aborted) return opening;
      if ('kind' in target) {
        failure ??= target;
        break;
      }
      if (suspendedHost(context, unit, laneSource, target.host.name)) {
        // Until the directives are others: then whatever the source waits for is forgotten.
        laneSource.connectionBlocked = true;
        continue;
      }
      const { host: hostKeys } = unit.keys(laneSource.source, target.host.name);
      if (hostKeys.keys.length > 0) {
        hostWaiter ??= laneSource.takeHostWaiter();
        const taken = shaper.takeConnection(hostKeys, hostWaiter, clock.nowMs());
        if (!taken.granted) {
          // At once, not at the end: the wake-up that clears it may come while the next host is looked up.
          laneSource.connectionBlocked = true;
          continue;
        }
        hostSlots = taken;
      }
      const opened = await openSession(context, laneSource, unit, target, signal);
      if (opened.ok) {
        const held = hostSlots === undefined ? [slots] : [slots, hostSlots];
        const session = new CarryingSession(
          opened,
          target,
          laneSource,
          unit.destination,
          held,
          clock.nowMs(),
        );
        opening = { kind: 'opened', session };
        return opening;
      }
      if (hostSlots !== undefined) shaper.release(hostSlots, clock.nowMs());
      hostSlots = undefined;
      failure = withDoubt(opened, laneSource);
      if (!opened.tryNextHost) break;
    }
    if (signal.aborted) return opening;
    opening = failure === undefined ? { kind: 'waits' } : { kind: 'failed', failure };
    return opening;
  } finally {
    if (opening.kind === 'waits') laneSource.keepHostWaiter(hostWaiter);
    if (opening.kind !== 'opened') {
      if (hostSlots !== undefined) shaper.release(hostSlots, clock.nowMs());
      shaper.release(slots, clock.nowMs());
    }
    if (hostWaiter !== undefined && opening.kind !== 'waits') laneSource.dropHostWaiter(hostWaiter);
  }
}

/**
 * A directive says that nothing goes to this host for now: the next one may take it. Those in force now are asked, not the unit's, which may be
 * older: of their end nobody would be told any more.
 */
function suspendedHost(
  { generation }: DispatchContext,
  unit: CarriedUnit,
  { source }: LaneSource,
  host: string,
): boolean {
  const { directives } = generation();
  if (directives.directives.length === 0) return false;
  return directives.find('Suspend', unit.facts(source, host)) !== undefined;
}

function openSession(
  context: DispatchContext,
  { source }: LaneSource,
  { destination }: CarriedUnit,
  { host, address }: Target,
  signal: AbortSignal,
): Promise<Session | SessionFailure> {
  const { timeouts } = destination.policy.session;
  return context.openSession({
    dial: (dialSignal) => context.dial(source, address.address, host.port, timeouts.connectMs, dialSignal),
    hostName: host.name,
    address: address.address,
    port: host.port,
    ehlo: source.ehlo,
    tls: destination.tls,
    ...(host.auth === undefined ? {} : { auth: host.auth }),
    timeouts,
    signal,
  });
}

/** Where a silent end may be the proxy's as well, the reply says both. */
function withDoubt(failure: SessionFailure, { source }: LaneSource): SessionFailure {
  const doubt = isSilence(failure) ? proxyDoubt(source) : undefined;
  if (doubt === undefined) return failure;
  return { ...failure, reply: { ...failure.reply, text: `${failure.reply.text}, ${doubt}` } };
}
