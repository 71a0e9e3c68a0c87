import { z } from 'zod';

/** What a running MTA says of itself to other MTAs and to the operator, with each renewal of its session. Checked where it is read. */
export const podFactsSchema = z.object({
  /** Name of its machine or pod. */
  host: z.string(),
  /** Version of the program. */
  version: z.string(),
  /** Hash of the configuration in force; '' = none yet. */
  configHash: z.string(),
  /** Of the set of ConfigMaps that it comes from; absent = it comes from files. */
  generation: z.exactOptional(z.int().min(0)),
  /** Whose ConfigMaps it follows, `namespace/release`; absent = it comes from files, or from a mount alone, which does not say. */
  configSet: z.exactOptional(z.string()),
  /** `starting`: it takes no mail yet; `draining`: it ends. */
  state: z.enum(['starting', 'ready', 'draining']),
});

export type PodFacts = Readonly<z.infer<typeof podFactsSchema>>;
