import type { SourceConfig } from '@sluice/crds';

/** Messages that a source may be ahead of its weight while another source of the pool is usable. */
export const LEAD_QUANTUM_MESSAGES = 20;

/**
 * Shares the mail of one lane among the sources of its pool by weight, over time and not per draw: virtual time, as in
 * stride scheduling (Waldspurger & Weihl, 1995). A source's own time runs `1 / weight` per message that it carried; the pool's
 * time is the weighted mean over the usable ones, and a source is ahead by what it carried beyond its weight.
 */
export interface SourceChoice {
  /**
   * Source of a new connection: of those that are not ahead by more than the quantum, the one with the fewest
   * connections given for its weight; if all are, the one that is least ahead. `undefined` = none is usable.
   * `mayOpen` narrows the choice to sources that may open a connection now; `usable` is what it is for `mayPull`.
   * Only sources in state Active are ever chosen: a Draining one gets no connection and its sessions end after the message they carry;
   * a Disabled one has its sessions taken down at once.
   */
  choose(
    usable: (source: SourceConfig) => boolean,
    mayOpen?: (source: SourceConfig) => boolean,
  ): SourceConfig | undefined;
  /** The source carried so many messages. */
  charge(source: SourceConfig, messages: number): void;
  /**
   * Whether a session of this source may carry another message. `false` = it is ahead by more than the quantum and leaves
   * the mail to the others. `usable` must say of each source whether it carries mail or could begin to now: a source that has
   * all its sessions busy is usable, a suspended one, or one whose connections are all refused, is not. Of a source that is not
   * Active the answer is always `false`.
   */
  mayPull(source: SourceConfig, usable: (source: SourceConfig) => boolean): boolean;
}

interface Share {
  readonly source: SourceConfig;
  /** Own virtual time: messages carried / weight, plus what it was moved up by. */
  time: number;
  /** Connections given / weight; decides between sources that are equally far. */
  connections: number;
  /** Was not usable when last looked at. */
  away: boolean;
  /** Messages that it may carry before anybody needs to look at the others again. */
  allowance: number;
}

/**
 * Choice among the sources of one pool for one lane. Pure: the same calls give the same answers.
 *
 * A source that comes back (its limit has room again, its suspension is over) is moved up to the pool's time: what it missed
 * meanwhile stays missed, because making it up would be a burst from that address.
 *
 * Example: weights 1 and 3 → of 4,000 messages 1,000 and 3,000, ± the quantum.
 */
export function createSourceChoice(sources: readonly SourceConfig[]): SourceChoice {
  const shares: Share[] = sources
    .filter((source) => source.state === 'Active')
    .map((source) => ({ source, time: 0, connections: 0, away: false, allowance: 0 }));
  const byName = new Map(shares.map((share) => [share.source.name, share]));
  const alone = shares.length === 1;
  let poolTime = 0;

  /** The pool's time over the usable sources; who comes back is moved up to it. */
  function look(usable: (source: SourceConfig) => boolean, asking: Share | undefined): void {
    let weights = 0;
    let weighted = 0;
    let returned = false;
    for (const share of shares) {
      if (share !== asking && !usable(share.source)) {
        share.away = true;
        continue;
      }
      if (share.away) {
        returned = true;
        continue;
      }
      weights += share.source.weight;
      weighted += share.source.weight * share.time;
    }
    if (weights > 0) poolTime = weighted / weights;
    if (!returned) return;
    for (const share of shares) {
      if (!share.away || (share !== asking && !usable(share.source))) continue;
      share.away = false;
      // Who comes back alone has nobody to be ahead of: the pool's time is his.
      if (weights === 0) poolTime = Math.max(poolTime, share.time);
      share.time = Math.max(share.time, poolTime);
      share.connections = Math.max(share.connections, leastConnections(share));
    }
  }

  function leastConnections(except: Share): number {
    let least = Number.POSITIVE_INFINITY;
    for (const share of shares) {
      if (share !== except && !share.away) least = Math.min(least, share.connections);
    }
    return least === Number.POSITIVE_INFINITY ? 0 : least;
  }

  /** Messages beyond its weight. */
  const lead = (share: Share): number => (share.time - poolTime) * share.source.weight;

  return {
    choose(usable, mayOpen = usable) {
      look(usable, undefined);
      let best: Share | undefined;
      for (const share of shares) {
        if (share.away || !mayOpen(share.source)) continue;
        if (best === undefined || isBefore(share, best, lead)) best = share;
      }
      if (best !== undefined) best.connections += 1 / best.source.weight;
      return best?.source;
    },
    charge(source, messages) {
      const share = byName.get(source.name);
      if (share === undefined) return;
      share.time += messages / share.source.weight;
      share.allowance -= messages;
    },
    mayPull(source, usable) {
      const share = byName.get(source.name);
      if (share === undefined) return false;
      if (alone || share.allowance >= 1) return true;
      look(usable, share);
      const room = LEAD_QUANTUM_MESSAGES - lead(share);
      // A part of the room is enough: the pool's time can fall back when a source that is ahead goes away.
      share.allowance = Math.min(room, LEAD_QUANTUM_MESSAGES) / 2;
      return room > 0;
    },
  };
}

function isBefore(a: Share, b: Share, lead: (share: Share) => number): boolean {
  const aInside = lead(a) <= LEAD_QUANTUM_MESSAGES;
  const bInside = lead(b) <= LEAD_QUANTUM_MESSAGES;
  if (aInside !== bInside) return aInside;
  return aInside ? a.connections < b.connections : lead(a) < lead(b);
}
