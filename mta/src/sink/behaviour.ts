/**
 * How a provider's host behaves towards a sender. Every member is a fact that real providers show; absent = it does not.
 * Replies are complete lines without CRLF.
 */
export interface Behaviour {
  /** Host name in the greeting. */
  readonly hostname: string;
  readonly greeting: string;
  /** EHLO keywords besides the ones that every sink has; e.g. `PIPELINING`, `CHUNKING`, `8BITMIME`, `SMTPUTF8`, `SIZE 36700160`. */
  readonly extensions: readonly string[];
  /** Connections of one source address at once; one more gets the reply and is closed. */
  readonly connections?: { readonly atMost: number; readonly reply: string };
  /** RCPTs of one source address per period; above it MAIL gets the reply. */
  readonly recipientRate?: { readonly count: number; readonly periodMs: number; readonly reply: string };
  /** Messages on one connection; then the reply (or, when empty, just a close). */
  readonly messagesPerConnection?: { readonly atMost: number; readonly reply: string };
  /** First sight of (source network, sender, recipient) is deferred for so long. */
  readonly greylistMs?: { readonly delayMs: number; readonly reply: string };
  /** Time before each reply to the final dot, milliseconds. */
  readonly finalDotMs?: number;
  /** Time before every other reply, milliseconds. */
  readonly latencyMs?: number;
  /** Recipient domains it takes mail for; others get the reply (a Microsoft 365 host refuses another tenant's mail). */
  readonly domains?: { readonly accepts: (domain: string) => boolean; readonly reply: string };
  /** Share of recipients that do not exist, in 1/1000, decided by the address alone; with the reply they get. */
  readonly unknownUsers?: { readonly perMille: number; readonly reply: string };
  /** The host dies: after so many messages it stops answering, closes and refuses for so long, then it is back. */
  readonly dying?: { readonly afterMessages: number; readonly downMs: number };
}

/** Provider presets of `sluice sink --provider`. Reply texts are the ones that the providers send. */
export const PROVIDERS = {
  plain: (hostname: string): Behaviour => ({
    hostname,
    greeting: `220 ${hostname} ESMTP`,
    extensions: ['PIPELINING', 'CHUNKING', '8BITMIME', 'SMTPUTF8', 'SIZE 104857600'],
  }),
  gmail: (hostname: string): Behaviour => ({
    hostname,
    greeting: `220 ${hostname} ESMTP sluice-sink - gsmtp`,
    extensions: ['SIZE 157286400', '8BITMIME', 'PIPELINING', 'CHUNKING', 'SMTPUTF8'],
    connections: { atMost: 10, reply: '421 4.7.0 Try again later, closing connection. - gsmtp' },
    recipientRate: {
      count: 500,
      periodMs: 1000,
      reply:
        '421 4.7.28 Gmail has detected an unusual rate of mail originating from your IP address. To protect our users from spam, mail has been temporarily rate limited. - gsmtp',
    },
    finalDotMs: 20,
  }),
  yahoo: (hostname: string): Behaviour => ({
    hostname,
    greeting: `220 ${hostname} ESMTP ready`,
    extensions: ['PIPELINING', 'SIZE 41943040', '8BITMIME'],
    connections: { atMost: 5, reply: '421 Too many concurrent SMTP connections; please try again later.' },
    messagesPerConnection: { atMost: 20, reply: '' },
    recipientRate: {
      count: 200,
      periodMs: 1000,
      reply:
        '421 4.7.0 [TSS04] Messages from your address temporarily deferred due to unexpected volume or user complaints - 4.16.55.1',
    },
    finalDotMs: 15,
  }),
  outlook: (hostname: string): Behaviour => ({
    hostname,
    greeting: `220 ${hostname} Microsoft ESMTP MAIL Service ready`,
    extensions: ['SIZE 49283072', 'PIPELINING', '8BITMIME', 'CHUNKING', 'SMTPUTF8'],
    connections: {
      atMost: 5,
      reply:
        '421 RP-002 The mail server IP connecting to Outlook.com server has exceeded the connection limit allowed.',
    },
    recipientRate: {
      count: 300,
      periodMs: 1000,
      reply: '451 4.7.650 The mail server has been temporarily rate limited due to IP reputation. (S775)',
    },
    finalDotMs: 25,
    unknownUsers: {
      perMille: 5,
      reply: '550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302).',
    },
  }),
  'microsoft-365': (hostname: string): Behaviour => {
    const tenant = hostname.split('.')[0] ?? hostname;
    return {
      hostname,
      greeting: `220 ${hostname} Microsoft ESMTP MAIL Service ready`,
      extensions: ['SIZE 157286400', 'PIPELINING', '8BITMIME', 'CHUNKING', 'SMTPUTF8'],
      domains: {
        accepts: (domain) => domain.replaceAll('.', '-') === tenant,
        reply: '550 5.4.1 Recipient address rejected: Access denied.',
      },
      connections: {
        atMost: 20,
        reply:
          '421 4.3.2 The maximum number of concurrent connections has exceeded a limit, closing transmission channel',
      },
      finalDotMs: 25,
    };
  },
  small: (hostname: string): Behaviour => ({
    hostname,
    greeting: `220 ${hostname} ESMTP Postfix`,
    extensions: ['PIPELINING', 'SIZE 10240000', '8BITMIME'],
    connections: { atMost: 5, reply: '421 4.7.0 Error: too many connections from your address' },
    greylistMs: { delayMs: 2_000, reply: '450 4.2.0 Recipient address rejected: Greylisted, see postgrey' },
    unknownUsers: {
      perMille: 10,
      reply: '550 5.1.1 Recipient address rejected: User unknown in local recipient table',
    },
  }),
} as const satisfies Record<string, (hostname: string) => Behaviour>;

export type ProviderName = keyof typeof PROVIDERS;
