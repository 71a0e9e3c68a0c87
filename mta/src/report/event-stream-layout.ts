import type { EventType } from './event.ts';

/** Of the message that carries a batch: how many events are in it. */
export const EVENT_COUNT_HEADER = 'Sluice-Events';

/**
 * Names of the stream of events. One subject for each type, so that the server sends a consumer of bounces nothing else; tenants are in the
 * events: a subject for each would cut batches into single events.
 *
 * Example: `new EventStreamLayout('sluice').subject('bounced')` → `sluice.events.bounced`
 */
export class EventStreamLayout {
  readonly prefix: string;
  readonly stream: string;

  constructor(prefix: string) {
    this.prefix = prefix;
    this.stream = `${prefix}-events`;
  }

  subject(type: EventType): string {
    return `${this.prefix}.events.${type}`;
  }

  /** All that the stream takes. */
  get subjects(): string {
    return `${this.prefix}.events.>`;
  }

  get inboxPrefix(): string {
    return `${this.prefix}.inbox`;
  }

  /** Subjects to which a pod's NATS user must be allowed to publish, besides those of its spool. */
  podPublishes(makeStream: boolean): readonly string[] {
    const subjects = [this.subjects, '$JS.API.INFO', `$JS.API.STREAM.INFO.${this.stream}`];
    return makeStream ? [...subjects, `$JS.API.STREAM.CREATE.${this.stream}`] : subjects;
  }

  /** The same for who only reads events, `sluice events` among them. */
  get readerPublishes(): readonly string[] {
    return [
      '$JS.API.INFO',
      `$JS.API.STREAM.INFO.${this.stream}`,
      // With several types the server is told the filter in the request, not in the subject.
      `$JS.API.CONSUMER.CREATE.${this.stream}`,
      `$JS.API.CONSUMER.CREATE.${this.stream}.>`,
      `$JS.API.CONSUMER.INFO.${this.stream}.>`,
      `$JS.API.CONSUMER.MSG.NEXT.${this.stream}.>`,
      `$JS.API.CONSUMER.DELETE.${this.stream}.*`,
    ];
  }
}
