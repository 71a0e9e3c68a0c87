import { type OutcomeKind, RecentOutcomes } from './recent-outcomes.ts';

/** Sites are remembered in two halves of so many; a site that sends nothing while a half fills is forgotten. */
export const MAX_SITES_IN_HALF = 5_000;

/** What became of mail to one site lately. */
export interface SiteActivity {
  readonly site: string;
  /** Group of the site's mail as it was seen last; `''` = none. */
  group: string;
  readonly recent: RecentOutcomes;
}

/** Rates of the sites that send, for a live view: sites are too many for metrics. Bounded. */
export class SiteActivitySet {
  #young = new Map<string, SiteActivity>();
  #old = new Map<string, SiteActivity>();
  readonly #half: number;

  constructor(half = MAX_SITES_IN_HALF) {
    this.#half = half;
  }

  record(site: string, group: string, kind: OutcomeKind, recipients: number, nowMs: number): void {
    let activity = this.#young.get(site);
    if (activity === undefined) {
      activity = this.#old.get(site) ?? { site, group, recent: new RecentOutcomes() };
      this.#add(activity);
    }
    activity.group = group;
    activity.recent.record(kind, recipients, nowMs);
  }

  get(site: string): SiteActivity | undefined {
    return this.#young.get(site) ?? this.#old.get(site);
  }

  /** Each site once. */
  *[Symbol.iterator](): Iterator<SiteActivity> {
    yield* this.#young.values();
    for (const activity of this.#old.values()) if (!this.#young.has(activity.site)) yield activity;
  }

  #add(activity: SiteActivity): void {
    if (this.#young.size >= this.#half) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(activity.site, activity);
  }
}
