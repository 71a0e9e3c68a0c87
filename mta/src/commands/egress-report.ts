import { type EgressReport, MAX_REPORTED, reportText, type Suspension } from '@sluice/crds';
import type { BrokenWay, WayHealth } from '../egress/mod.ts';
import { type Directive, type DirectiveSet, selectorText } from '../react/mod.ts';

/** How often it is looked whether there is something new to say: a source that fails and works in turn costs one report in this time. Milliseconds. */
const LOOK_EVERY_MS = 2_000;

export interface EgressReportParts {
  readonly health: WayHealth;
  readonly directives: () => DirectiveSet;
  /** Wall time, milliseconds. */
  readonly nowMs: () => number;
  /** Says it beside the session. */
  readonly say: (bytes: Uint8Array) => void;
}

/** Says what is wrong with sources, and what is suspended, when it changes. Returns how to stop. */
export function reportEgress({ health, directives, nowMs, say }: EgressReportParts): () => void {
  let said = '';
  let seen: { readonly set: DirectiveSet | undefined; readonly version: number } = {
    set: undefined,
    version: -1,
  };
  const look = (): void => {
    const now = { set: directives(), version: health.version };
    // Failures that nobody repeats are forgotten by time alone: that needs a look without news.
    if (now.set === seen.set && now.version === seen.version && health.broken(nowMs()).length === 0) return;
    seen = now;
    const text = JSON.stringify(egressReport(health.broken(nowMs()), now.set.directives));
    if (text === said) return;
    said = text;
    say(Buffer.from(text));
  };
  look();
  const timer = setInterval(look, LOOK_EVERY_MS);
  return () => clearInterval(timer);
}

/** Pure. Example: `egressReport([], []).unreachable` → `[]` */
export function egressReport(broken: readonly BrokenWay[], directives: readonly Directive[]): EgressReport {
  return {
    unreachable: broken.slice(0, MAX_REPORTED).map(({ source, address, way, sinceMs, reason }) => ({
      source: reportText(source),
      address: reportText(address),
      way: reportText(way),
      since: timeText(sinceMs),
      reason: reportText(reason),
    })),
    moreUnreachable: Math.max(0, broken.length - MAX_REPORTED),
    suspensions: directives.slice(0, MAX_REPORTED).map(suspensionOf),
    moreSuspensions: Math.max(0, directives.length - MAX_REPORTED),
  };
}

function suspensionOf({
  id,
  effect,
  selector,
  origin,
  reason,
  createdAtMs,
  expiresAtMs,
}: Directive): Suspension {
  const { pool, source } = selector;
  return {
    id: reportText(id),
    effect: effect.type,
    ...('limitName' in effect && { limitName: reportText(effect.limitName) }),
    mail: reportText(selectorText(selector)),
    ...(pool !== undefined && { pool: reportText(pool) }),
    ...(source !== undefined && { source: reportText(source) }),
    origin,
    reason: reportText(reason),
    since: timeText(createdAtMs),
    ...(expiresAtMs !== 0 && { until: timeText(expiresAtMs) }),
  };
}

/** RFC 3339 in seconds, as Kubernetes writes times. */
function timeText(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
