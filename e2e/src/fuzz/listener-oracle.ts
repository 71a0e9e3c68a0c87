import { isUtf8 } from 'node:buffer';

/** A message that the client ended; texts have one character for an octet. */
export interface EndedMessage {
  readonly recipients: readonly string[];
  /** As it must be stored, trace fields excepted; `undefined` = it must not be stored. */
  readonly text: string | undefined;
  /** The reply to its end. */
  readonly reply: string;
}

export interface Rules {
  readonly normalize: boolean;
  readonly maxMessageBytes: number;
}

/** What a whole dialogue came to. */
export interface Reading {
  readonly messages: readonly EndedMessage[];
  /** What is wrong with the replies; empty = nothing. */
  readonly complaints: readonly string[];
  /** Replies that nobody asked for (the last words of a session that is ended are no complaint). */
  readonly left: readonly string[];
  /** STARTTLS was the last command that was answered, with 220. */
  readonly startsTls: boolean;
}

/**
 * Reads what a client sent and what it was answered, in the simplest way there is: one reply for each line, lines end at LF, data at
 * CR LF dot CR LF, a BDAT where its octets end. It shares no code with the listener. Where the two disagree about where anything ends, the
 * replies no longer fit to the commands, or the messages to what was stored.
 */
export function readDialogue(octets: string, replies: readonly string[], rules: Rules): Reading {
  const waiting = [...replies];
  const complaints: string[] = [];
  const messages: EndedMessage[] = [];
  let at = 0;
  let mail = false;
  let recipients: string[] = [];
  let chunks = '';
  let inChunks = false;
  let startsTls = false;
  let extensions = false;
  /** The next line answers a challenge of AUTH. */
  let response = false;

  const forget = (): void => {
    mail = false;
    recipients = [];
    chunks = '';
    inChunks = false;
  };
  const line = (): string | undefined => {
    const lf = octets.indexOf('\n', at);
    if (lf === -1) return undefined;
    const read = octets.slice(at, lf + 1);
    at = lf + 1;
    return read;
  };
  /** The reply to what was just read; `undefined` = the session is over. */
  const answer = (): string | undefined => {
    const reply = waiting.shift();
    if (reply === undefined)
      complaints.push(`a command was never answered; before it ${octets.slice(at - 80, at)}`);
    return reply === undefined || /^(421|221) /.test(reply) ? undefined : reply;
  };
  const ended = (text: string | undefined): boolean => {
    const reply = waiting.shift();
    if (reply === undefined) complaints.push('the end of a message was never answered');
    else messages.push({ recipients, text, reply });
    forget();
    return reply !== undefined && !reply.startsWith('421');
  };

  for (let command = line(); command !== undefined; command = line()) {
    const [verb = '', argument = ''] = /^([^ \r\n]*) ?(.*)/s.exec(command)?.slice(1) ?? [];
    const whole = /^[^\r\0]*\r\n$/.test(command) || (rules.normalize && /^[^\r\0]*\r?\n$/.test(command));
    const sound = whole && command.length <= 12_288 && isUtf8(Buffer.from(command, 'latin1'));
    const size = /^\s*([0-9]{1,15})( +LAST)?\s*$/i.exec(argument);
    if (sound && !response && verb.toUpperCase() === 'BDAT') {
      if (size === null) {
        waiting.shift();
        break;
      }
      const octetsOfChunk = Number(size[1]);
      if (at + octetsOfChunk > octets.length) {
        at = octets.length;
        break;
      }
      const chunk = octets.slice(at, at + octetsOfChunk);
      at += octetsOfChunk;
      const expected = extensions && mail && recipients.length > 0;
      if (!expected) {
        const reply = answer();
        if (reply === undefined) break;
        if (!reply.startsWith('503')) complaints.push(`a BDAT without recipients was answered with ${reply}`);
        continue;
      }
      chunks += chunk;
      inChunks = true;
      if (size[2] !== undefined) {
        if (!ended(storedChunks(chunks, rules))) break;
        continue;
      }
      const next = waiting[0];
      if (next?.startsWith('250 2.0.0 ') && next.includes('octets received')) waiting.shift();
      else if (!ended(undefined)) break;
      continue;
    }
    const reply = answer();
    if (reply === undefined) break;
    if (!/^\d{3}[ -]/.test(reply)) complaints.push(`no reply: ${reply}`);
    response = reply.startsWith('334');
    if (!sound && !/^5/.test(reply)) complaints.push(`${JSON.stringify(command)} was answered with ${reply}`);
    if (reply.startsWith('354')) {
      if (!mail || recipients.length === 0 || inChunks) complaints.push('354 without a recipient');
      const end = octets.startsWith('.\r\n', at) ? at - 2 : octets.indexOf('\r\n.\r\n', at);
      if (end === -1) {
        at = octets.length;
        break;
      }
      const raw = octets.slice(at, Math.max(at, end + 2));
      at = end + 5;
      if (!ended(storedData(raw, rules))) break;
    } else if (reply.startsWith('250')) {
      if (/^250 2\.1\.0/.test(reply)) {
        if (mail) complaints.push('a second MAIL was taken');
        mail = true;
      } else if (/^250 2\.1\.5/.test(reply)) recipients.push(pathOf(command));
      else if (/^(EHLO|HELO|RSET)\b/i.test(command)) {
        if (!/^RSET/i.test(command)) extensions = /^EHLO/i.test(command);
        forget();
      }
    } else if (reply.startsWith('220')) {
      startsTls = true;
      break;
    } else if (reply.startsWith('503') && /^STARTTLS/i.test(command) && waiting.length === 0) break;
  }
  return {
    messages,
    complaints,
    left: waiting.filter((reply) => !/^(421|221|closed)/.test(reply)),
    startsTls,
  };
}

function storedData(raw: string, { normalize, maxMessageBytes }: Rules): string | undefined {
  if (raw.includes('\0')) return undefined;
  const bare = /\r(?!\n)|(?<!\r)\n/.test(raw);
  if (bare && !normalize) return undefined;
  const lines = raw.split(/\r\n|\r|\n/);
  // A lone dot in here is text: with a real CRLF on both sides it would have been the end.
  const unstuffed = lines.map((text) => (text.startsWith('.') && text !== '.' ? text.slice(1) : text));
  const text = unstuffed.join('\r\n');
  if (unstuffed.some((part) => part.length > 998) || text.length > maxMessageBytes) return undefined;
  return text;
}

function storedChunks(raw: string, { normalize, maxMessageBytes }: Rules): string | undefined {
  if (raw.includes('\0')) return undefined;
  if (/\r(?!\n)|(?<!\r)\n/.test(raw) && !normalize) return undefined;
  const lines = raw.split(/\r\n|\r|\n/);
  if (lines.some((part) => part.length > 998)) return undefined;
  const text = lines.join('\r\n');
  const ended = text === '' || lines.at(-1) === '' ? text : `${text}\r\n`;
  return text.length > maxMessageBytes ? undefined : ended;
}

/** Path of an accepted RCPT, source route dropped; one that is quoted or not ASCII is told as `''` and not compared. */
function pathOf(command: string): string {
  const path = /<([^>]*)>/.exec(command)?.[1] ?? '';
  return /^[!#-~]*$/.test(path) ? path.replace(/^@[^:]*:/, '') : '';
}
