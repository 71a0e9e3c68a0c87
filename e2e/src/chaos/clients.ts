import { seededRandom } from '@sluice/mta/blast';
import { HandClient } from '../harness/hand-client.ts';
import type { OfferedMail } from './verdict.ts';

export interface ClientsOptions {
  /** Where its pod takes mail; `undefined` = nowhere now. */
  readonly target: () => { readonly host: string; readonly port: number } | undefined;
  readonly domains: readonly string[];
  readonly seed: number;
  /** Begins the local part of every recipient: `[a-z0-9]{1,12}`. */
  readonly run: string;
  readonly ratePerSecond: number;
  readonly sessions: number;
}

const RECONNECT_MS = 250;
/** A share of the messages goes to several recipients; a few are so large that the store takes them in parts. */
const SEVERAL_SHARE = 0.1;
const MOST_RECIPIENTS = 4;
const LARGE_SHARE = 0.02;
const HUGE_SHARE = 0.0005;
const SIZES_BYTES = { small: 2_000, large: 100_000, huge: 5 * 2 ** 20 };
const LINE = `${'x'.repeat(76)}\r\n`;
const QUEUED = /^250 .*queued as ([0-9A-HJKMNP-TV-Z]{26})/;

/** Clients of one pod. They write down every message that they hand in, with its id if they read a 250. */
export class Clients {
  readonly offered: OfferedMail[] = [];
  /** Replies that refused mail, and how often; `closed` = none. */
  readonly refusals = new Map<string, number>();
  readonly #options: ClientsOptions;
  readonly #random: () => number;
  #number = 0;
  #nextAtMs = 0;

  constructor(options: ClientsOptions) {
    this.#options = options;
    this.#random = seededRandom(options.seed);
  }

  /** Hands in mail until it is told to stop; resolves when the last answer is there. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(Array.from({ length: this.#options.sessions }, () => this.#session(signal)));
  }

  /** Hands in one message, over and over until it is taken. */
  async handIn(recipient: string, signal: AbortSignal): Promise<OfferedMail | undefined> {
    while (!signal.aborted) {
      const client = await this.#connect();
      const mail = client === undefined ? undefined : await this.#send(client, [recipient], LINE);
      client?.destroy();
      if (mail !== undefined && mail.id !== '') return mail;
      await pause(RECONNECT_MS);
    }
    return undefined;
  }

  async #session(signal: AbortSignal): Promise<void> {
    let client: HandClient | undefined;
    while (!signal.aborted) {
      client ??= await this.#connect();
      if (client === undefined) {
        await pause(RECONNECT_MS);
        continue;
      }
      await this.#turn();
      const mail = await this.#send(client, this.#recipients(), this.#body());
      if (mail !== undefined) continue;
      client.destroy();
      client = undefined;
    }
    client?.destroy();
  }

  /** What was lost while a pod was away is not made up for. */
  async #turn(): Promise<void> {
    const nowMs = performance.now();
    this.#nextAtMs = Math.max(this.#nextAtMs + 1_000 / this.#options.ratePerSecond, nowMs);
    await pause(this.#nextAtMs - nowMs);
  }

  async #connect(): Promise<HandClient | undefined> {
    const target = this.#options.target();
    if (target === undefined) return undefined;
    const client = new HandClient(target);
    try {
      if ((await client.hello()).startsWith('250')) return client;
    } catch {
      // It stands still, or cannot be reached.
    }
    client.destroy();
    return undefined;
  }

  /** `undefined` = the session is over. */
  async #send(
    client: HandClient,
    recipients: readonly string[],
    body: string,
  ): Promise<OfferedMail | undefined> {
    let reply = 'no answer';
    const text = `From: <news@shop.example>\r\nTo: <${recipients[0] ?? ''}>\r\nSubject: chaos\r\n\r\n${body}`;
    try {
      reply = await client.mail('news@shop.example', recipients, text);
    } catch {
      // Too late: nobody knows whether it was taken.
    }
    const id = QUEUED.exec(reply)?.[1] ?? '';
    const mail = { id, recipients };
    this.offered.push(mail);
    if (id !== '') return mail;
    const why = /\b[45]\d\d [\d.]+/.exec(reply)?.[0] ?? reply.slice(0, 40);
    this.refusals.set(why, (this.refusals.get(why) ?? 0) + 1);
    return /closed|no answer|\b421 /.test(reply) ? undefined : mail;
  }

  #recipients(): readonly string[] {
    const count = this.#random() < SEVERAL_SHARE ? 2 + Math.floor(this.#random() * (MOST_RECIPIENTS - 1)) : 1;
    return Array.from({ length: count }, () => {
      const { domains, run } = this.#options;
      return `${run}.${this.#number++}@${domains[Math.floor(this.#random() * domains.length)]}`;
    });
  }

  #body(): string {
    const drawn = this.#random();
    const size = drawn < HUGE_SHARE ? 'huge' : drawn < HUGE_SHARE + LARGE_SHARE ? 'large' : 'small';
    return LINE.repeat(Math.ceil(SIZES_BYTES[size] / LINE.length));
  }
}

function pause(ms: number): Promise<void> {
  return ms <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms));
}
