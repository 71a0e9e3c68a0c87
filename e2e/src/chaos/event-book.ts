import { z } from 'zod';

const eventSchema = z.looseObject({ type: z.string(), id: z.string(), recipients: z.array(z.string()) });

/** What the pods' events said, as far as the verdict needs it. */
export class EventBook {
  /** Ids of messages that were delivered to a recipient. */
  readonly idsOf = new Map<string, Set<string>>();
  /** Ids of messages that are held. */
  readonly held = new Set<string>();
  /** Recipients of whom it was told how they ended, or that their message is held: then nobody knows whether it arrived before its owners ended. */
  readonly told = new Set<string>();

  /** A message of the EVENTS stream: lines of JSON. */
  take(lines: string): void {
    for (const line of lines.split('\n')) {
      if (line === '') continue;
      const { type, id, recipients } = eventSchema.parse(JSON.parse(line));
      if (type === 'held') {
        this.held.add(id);
        for (const recipient of recipients) this.told.add(recipient);
      }
      if (type !== 'delivered' && type !== 'bounced' && type !== 'expired') continue;
      for (const recipient of recipients) {
        this.told.add(recipient);
        if (type !== 'delivered') continue;
        const ids = this.idsOf.get(recipient) ?? new Set();
        this.idsOf.set(recipient, ids.add(id));
      }
    }
  }
}
