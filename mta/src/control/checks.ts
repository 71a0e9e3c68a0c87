import type { ResourceState } from '../config/mod.ts';
import type { Cluster, SpoolUsage } from '../spool/mod.ts';
import type { ReadinessCheck } from './readiness.ts';

/** Ready only while the configuration in force has something to run; a broken change degrades, it does not unready. */
export function configurationCheck(state: () => ResourceState): ReadinessCheck {
  return {
    name: 'configuration',
    run() {
      const { ok, hash, problems, refused } = state();
      const short = hash.slice(0, 12);
      if (ok) return { status: 'ok', detail: `configuration ${short} is in force` };
      const which = refused.length === 0 ? '' : `; not in force as it stands: ${refused.join(', ')}`;
      return {
        status: 'degraded',
        detail: `the last good configuration ${short} is in force${which}`,
        problems,
      };
    },
  };
}

/**
 * Below `minFreeBytes` mail is refused with 452, without a session or a part of a shared store with 451: clients should go to another
 * pod.
 */
export function spoolCheck(
  usage: () => SpoolUsage,
  minFreeBytes: number,
  cluster?: Pick<Cluster, 'session' | 'isLive' | 'living' | 'counts'>,
): ReadinessCheck {
  return {
    name: 'spool',
    run() {
      const { messages, freeBytes } = usage();
      if (freeBytes < minFreeBytes)
        return { status: 'failing', detail: `${freeBytes} bytes free, ${minFreeBytes} are needed` };
      if (cluster === undefined) return { status: 'ok', detail: `${messages} messages stored` };
      const { session, isLive, counts } = cluster;
      const detail = `session ${session} owns ${counts.owned} segments, ${counts.live} take mail, with ${messages} messages; ${cluster.living().length} pods live`;
      if (!isLive)
        return { status: 'failing', detail: `NATS does not confirm that this pod lives; ${detail}` };
      return { status: counts.live === 0 ? 'failing' : 'ok', detail };
    },
  };
}

/** Events that cannot be stored unready nobody: mail is taken and kept, and another pod could not store them either. */
export function eventsCheck(trouble: () => string | undefined): ReadinessCheck {
  return {
    name: 'events',
    run() {
      const reason = trouble();
      if (reason === undefined) return { status: 'ok', detail: 'events are stored' };
      return { status: 'degraded', detail: `events cannot be stored: ${reason}` };
    },
  };
}

/** Listening at all, with the addresses for people. */
export function listenerCheck(addresses: () => readonly string[]): ReadinessCheck {
  return {
    name: 'listener',
    run() {
      const open = addresses();
      if (open.length > 0) return { status: 'ok', detail: `listening on ${open.join(', ')}` };
      return { status: 'failing', detail: 'no SMTP listener is open' };
    },
  };
}

/** A pod that shuts down takes no new clients. */
export function drainingCheck(isDraining: () => boolean): ReadinessCheck {
  return {
    name: 'draining',
    run: () =>
      isDraining()
        ? { status: 'failing', detail: 'this MTA is shutting down' }
        : { status: 'ok', detail: 'not draining' },
  };
}
