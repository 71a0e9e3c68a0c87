import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Session } from './mod.ts';
import type { Peer } from './scripted-server.ts';
import { message, opened, sessionOptions, withServer } from './session-fixture.ts';

/** What the server answers to one message; each reply names the message that it is for. */
interface Answers {
  readonly mail: '250' | '450' | '550';
  readonly rcpt: readonly ('250' | '451' | '551')[];
  readonly data: '354' | '452' | '552';
  readonly body: '250' | '453' | '553';
  /** Said in one breath with the last reply, though nobody asked. */
  readonly stray: '' | '250 stray' | '421 stray' | 'stray';
}

const MESSAGES = 12;

const answers: fc.Arbitrary<Answers> = fc.record({
  mail: fc.constantFrom('250', '250', '250', '250', '450', '550'),
  rcpt: fc.array(fc.constantFrom('250', '250', '451', '551'), { minLength: 1, maxLength: 4 }),
  data: fc.constantFrom('354', '354', '354', '452', '552'),
  body: fc.constantFrom('250', '250', '250', '453', '553'),
  stray: fc.constantFrom('', '', '', '', '', '', '250 stray', '421 stray', 'stray'),
});

const dialogue = fc.record({
  extensions: fc.subarray(['PIPELINING', 'CHUNKING']),
  messages: fc.array(answers, { minLength: MESSAGES, maxLength: MESSAGES }),
  /** Lengths of the pieces in which replies leave, used in turn; between pieces the event loop turns. */
  pieces: fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 20 }),
  /** Turns of the event loop for which replies are kept back, used in turn: what comes meanwhile leaves with them. */
  delays: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 8 }),
});
type Dialogue = typeof dialogue extends fc.Arbitrary<infer T> ? T : never;

test('a reply is never taken for another message, however the network delays, splits and joins replies', async () => {
  // The grace after a reset is waited for once, not in every run.
  const closing: Promise<void>[] = [];
  await fc.assert(
    fc.asyncProperty(dialogue, async (plan) => {
      const { messages, extensions } = plan;
      await withServer(
        Array.from({ length: MESSAGES + 1 }, () => (peer: Peer) => serve(peer, plan)),
        async (server) => {
          let session: Session | undefined;
          for (const [number, expected] of messages.entries()) {
            const recipients = expected.rcpt.map((_, index) => `r${index}.m${number}@mx.example`);
            const mail = message({ sender: `m${number}@out.example`, recipients, text: `m${number}\r\n` });
            let result = session?.usable === true ? await session.send(mail) : undefined;
            if (session === undefined || result?.begun !== true) {
              if (session !== undefined) closing.push(session.destroy());
              session = await opened(sessionOptions(server.port));
              result = await session.send(mail);
            }
            for (const [index, { reply, status }] of result.recipients.entries()) {
              assert.match(reply.text, new RegExp(`^m${number}\\b`), 'the reply of another message');
              const wanted = outcomeOf(expected, index, extensions.includes('CHUNKING'));
              assert.equal(`${status} ${reply.code}`, wanted, `recipient ${index} of m${number}`);
            }
          }
          if (session !== undefined) closing.push(session.close());
        },
      );
    }),
    { numRuns: 150 },
  );
  await Promise.all(closing);
});

function outcomeOf({ mail, rcpt, data, body }: Answers, index: number, chunking: boolean): string {
  const end = chunking || data === '354' ? body : data;
  const code = [mail, rcpt[index] ?? '250', end].find((each) => each !== '250') ?? '250';
  return `${code === '250' ? 'delivered' : code.startsWith('4') ? 'transient' : 'permanent'} ${code}`;
}

/** One connection of the server. It ends when the client has left, which is the client's affair. */
async function serve(peer: Peer, plan: Dialogue): Promise<void> {
  await peer.greet(...plan.extensions);
  const voice = new Voice(peer, plan);
  let number = 0;
  let rcpt = 0;
  let accepted = 0;
  const now = (): Answers | undefined => plan.messages[number];
  for (let line = await heard(peer); line !== undefined; line = await heard(peer)) {
    const [verb] = line.split(/[ :]/);
    if (verb === 'MAIL') {
      number = Number(/<m(\d+)@/.exec(line)?.[1]);
      rcpt = 0;
      accepted = 0;
      voice.say(`${now()?.mail} m${number} mail`);
    } else if (verb === 'RCPT') {
      const code = now()?.mail === '250' ? now()?.rcpt[rcpt++] : '503';
      if (code === '250') accepted++;
      voice.say(`${code} m${number} rcpt`);
    } else if (verb === 'DATA' && (accepted === 0 || now()?.data !== '354')) {
      voice.say(`${accepted === 0 ? '503' : now()?.data} m${number} data`);
    } else if (verb === 'DATA' || verb === 'BDAT') {
      if (verb === 'DATA') {
        voice.say(`354 m${number} data`);
        await peer.untilDot();
      } else {
        await peer.octets(Number(line.split(' ')[1]));
      }
      const stray = now()?.stray ?? '';
      voice.say(`${accepted === 0 ? '503' : now()?.body} m${number} body`, stray);
      if (stray !== '') {
        await voice.silent();
        if (stray.startsWith('421')) peer.close();
        await peer.untilEnd();
        return;
      }
    } else if (verb === 'QUIT') {
      voice.say('221 bye');
      await voice.silent();
      peer.close();
      return;
    } else {
      voice.say('250 reset');
    }
  }
}

async function heard(peer: Peer): Promise<string | undefined> {
  try {
    return await peer.hear('');
  } catch {
    return undefined;
  }
}

/** What a server says, late, in pieces, several replies at a time. */
class Voice {
  readonly #peer: Peer;
  readonly #plan: Dialogue;
  /** Each is sent in pieces, or, when nobody asked for the end of it, as a whole: later nobody could tell. */
  readonly #waiting: { readonly text: string; readonly whole: boolean }[] = [];
  #turn = 0;
  #speaking: Promise<void> | undefined;

  constructor(peer: Peer, plan: Dialogue) {
    this.#peer = peer;
    this.#plan = plan;
  }

  say(reply: string, stray = ''): void {
    this.#waiting.push({ text: `${reply}\r\n${stray === '' ? '' : `${stray}\r\n`}`, whole: stray !== '' });
    this.#speaking ??= this.#speak();
  }

  async silent(): Promise<void> {
    await this.#speaking;
  }

  async #speak(): Promise<void> {
    const { pieces, delays } = this.#plan;
    while (this.#waiting.length > 0) {
      for (let turns = delays[this.#turn++ % delays.length] ?? 0; turns > 0; turns--) await turn();
      let text = '';
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        if (next.whole) {
          await this.#send(text, pieces);
          text = '';
          this.#peer.sayRaw(next.text);
        } else {
          text += next.text;
        }
      }
      await this.#send(text, pieces);
    }
    this.#speaking = undefined;
  }

  async #send(text: string, pieces: readonly number[]): Promise<void> {
    let rest = text;
    while (rest !== '') {
      const length = pieces[this.#turn++ % pieces.length] ?? 1;
      this.#peer.sayRaw(rest.slice(0, length));
      rest = rest.slice(length);
      await turn();
    }
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
