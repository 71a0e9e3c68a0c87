import { z } from 'zod';

const count = z.int().min(0);

/** What a pod says of itself: `GET /pod`, and its answer to `sluice pods`. Checked where it is read. */
export const podStateSchema = z.object({
  /** Names the process: the session by which other pods know it, or of its own making. */
  session: z.string(),
  host: z.string(),
  version: z.string(),
  startedAt: z.string(),
  state: z.enum(['Ready', 'NotReady', 'Draining']),
  /** What keeps it from being ready, or should be looked at: names of checks. */
  troubles: z.array(z.string()),
  /** Of the configuration in force. */
  configHash: z.string(),
  /** Of the operator's set; absent = it comes from files. */
  generation: z.exactOptional(count),
  configSince: z.string(),
  /** Recipient groups that are queued. */
  groups: count,
  /** Messages in the store, as far as this pod knows. */
  messages: count,
  /** Parts of a shared store that it owns; absent = its store is its own. */
  segments: z.exactOptional(count),
  /** Milliseconds since the last acknowledged renewal of its session was sent; absent = it has none. */
  renewalAgeMs: z.exactOptional(z.number().min(0)),
  /** How it shares limits with other pods; absent = they are its own. */
  limits: z.exactOptional(
    z.object({
      /** Under which leaders of limits know it. */
      session: z.string(),
      /** `Held`: it starts nothing. `Degraded`: some leader does not answer, so that what it holds is all that it uses. */
      mode: z.enum(['Shared', 'Degraded', 'Held']),
      ledShards: count,
    }),
  ),
});

export type PodState = z.infer<typeof podStateSchema>;
