/** Messages that wait for each further connection: how eagerly a lane opens connections. */
export const READY_PER_CONNECTION = 8;

/**
 * Connections that a lane wants for `ready` messages that could go now.
 *
 * One for a trickle, one more for every {@link READY_PER_CONNECTION}; the limits decide how many it gets. A lane whose site has not
 * answered yet wants a single one: if the host is down, one connection finds out.
 *
 * Example: 0 → 0, 1 → 1, 8 → 1, 9 → 2, 800 → 100.
 */
export function connectionsWanted(ready: number, siteAnswers: boolean): number {
  if (ready === 0) return 0;
  return siteAnswers ? Math.ceil(ready / READY_PER_CONNECTION) : 1;
}
