import { z } from 'zod';

/** What each type of event says. The order is the order of a message's life. */
export const EVENT_TYPES = {
  accepted: 'The message is stored and was answered with 250.',
  rejected: 'A message was refused at intake; `reply` is what the client read.',
  delivered: 'The recipients were taken over by the next host.',
  deferred: 'The attempt failed for now; `nextAttempt` says when the next one is due.',
  bounced: 'The recipients failed for good; `reply` says why.',
  expired: 'Given up after `expireAfter`; `reply` is the last one received.',
  held: 'The message was in flight when three processes in a row ended uncleanly: it is kept, and not sent again before `sluice queue retry`.',
  reported:
    'The sender is told: a report (`reportId`) is stored, addressed to `sender`. One for each `action` in it.',
  reacted:
    'A reply went off a reaction of the policy: `reaction` names it, `directives` what is in force because of it. `id` is empty when the reply came before a message was offered.',
  unreported:
    'The sender should be told, and no egress pool takes the report: nobody will read it. `reason` says more.',
} as const;

export type EventType = keyof typeof EVENT_TYPES;

/** Nothing comes after them that would say the same: they are the ones that must not be missing. */
const TERMINAL: ReadonlySet<EventType> = new Set<EventType>([
  'delivered',
  'bounced',
  'expired',
  'reported',
  'unreported',
]);

/** The last word on a recipient, or on what its sender is told. */
export function isTerminal(type: EventType): boolean {
  return TERMINAL.has(type);
}

const eventType = z
  .enum(Object.keys(EVENT_TYPES) as [EventType, ...EventType[]])
  .describe('What happened; see the table of types.');

const text = (description: string) => z.exactOptional(z.string().describe(description));
const count = (description: string) => z.exactOptional(z.int().min(0).describe(description));
const time = (description: string) => z.iso.datetime({ precision: 3 }).describe(description);

/**
 * One event per fact (DESIGN §4.9): the one schema of the JSON that users read, of the type that rooms build and of
 * docs/reference/events.md. Names are stable, a new member may appear at any time. Checked in tests, not per event.
 */
export const mailEventSchema = z
  .strictObject({
    type: eventType,
    time: time('When it happened: RFC 3339, UTC, milliseconds.'),
    id: z.string().describe('Message id (ULID); empty for `rejected` before one was given.'),
    sender: z.string().describe('Reverse-path without angle brackets; empty for `<>`.'),
    recipients: z.array(z.string()).readonly().describe('Forward-paths that this event speaks about.'),
    tenant: text('Name of the tenant.'),
    campaign: text('Name of the campaign.'),
    class: text('Name of the class.'),
    sizeBytes: count('Bytes of the message as stored.'),
    pool: text('Egress pool that carries the message.'),
    source: text('Name of the egress source of this attempt.'),
    sourceAddress: text('Public address of that source.'),
    site: text('The MX set that was addressed.'),
    group: text('Group of the destination (`google`, …).'),
    domain: text('Domain of the recipients.'),
    mxHost: text('Host that was spoken to.'),
    mxAddress: text('Address of that host.'),
    attempts: count('Attempts made, this one included.'),
    phase: text('Phase of the session in which the reply came: `Connect`, `Rcpt`, `FinalDot`, ….'),
    reply: z.exactOptional(
      z
        .strictObject({
          code: z.int().min(200).max(599).describe('Basic status code.'),
          enhanced: z.string().describe('Enhanced status code (RFC 3463); empty when there was none.'),
          text: z.string().describe('All lines, joined by spaces.'),
        })
        .readonly()
        .describe('The SMTP reply, or one of the same shape that Sluice made itself.'),
    ),
    reaction: text('`reacted`: name of the reaction.'),
    directives: z.exactOptional(
      z.array(z.string()).readonly().describe('`reacted`: ids of the directives that came of it.'),
    ),
    nextAttempt: z.exactOptional(time('`deferred`: when the next attempt is due.')),
    ageMs: count('Milliseconds since acceptance.'),
    tls: z.exactOptional(
      z
        .strictObject({
          protocol: z.string().describe('`TLSv1.3`.'),
          cipher: z.string().describe('Cipher suite.'),
          verified: z
            .boolean()
            .describe(
              'The certificate is good for `mxHost` under the trusted roots, whether the level asks for it or not.',
            ),
          resumed: z.boolean().describe('The handshake took up an earlier one (session resumption).'),
        })
        .readonly()
        .describe('Absent = the session was not encrypted.'),
    ),
    reportId: text('`reported`: message id of the report; its own events have it as `id`.'),
    action: z.exactOptional(
      z
        .enum(['failed', 'delayed', 'relayed'])
        .describe('`reported`, `unreported`: what the report says of the recipients (RFC 3464 §2.3.3).'),
    ),
    reason: text('`unreported`: why.'),
    origin: text('`accepted`, `rejected`: where it came from: `smtp [192.0.2.1] user=alice`.'),
  })
  .readonly();

export type MailEvent = z.infer<typeof mailEventSchema>;
