import { createServer, type Server, type Socket } from 'node:net';

/** A message as a host saw it; all texts have one character for an octet. */
export interface RecordedMail {
  /** What stood behind `MAIL FROM:` and `RCPT TO:`, parameters and all. */
  readonly mail: string;
  readonly recipients: readonly string[];
  /** Dots unstuffed. */
  readonly text: string;
}

/** A running host that keeps every octet. */
export interface RecordingSink {
  readonly address: string;
  readonly port: number;
  /** Messages in the order in which they ended. */
  readonly mails: readonly RecordedMail[];
  /** What must never leave us, each with the octets around it: a bare CR or LF, a NUL, an unknown command. */
  readonly offences: readonly string[];
  close(): Promise<void>;
}

/**
 * Starts a host that takes everything but the recipients (path and parameters) for which there is a refusal, and reads it in the simplest way there is: lines end at CR LF, data at CR LF dot CR LF, a BDAT
 * where its octets end. It shares no code with Sluice, so it is the judge of what Sluice sends.
 *
 * Example: `const sink = await startRecordingSink(['PIPELINING', 'CHUNKING', '8BITMIME', 'SMTPUTF8']);`
 */
export async function startRecordingSink(
  extensions: readonly string[],
  refusal: (recipient: string) => string | undefined = () => undefined,
): Promise<RecordingSink> {
  const mails: RecordedMail[] = [];
  const offences: string[] = [];
  const open = new Set<Socket>();
  const server: Server = createServer({ noDelay: true }, (socket) => {
    open.add(socket);
    socket.setEncoding('latin1');
    socket.on('error', () => socket.destroy());
    socket.on('close', () => open.delete(socket));
    const reader = new OctetReader(extensions, refusal, mails, offences);
    socket.write('220 sink.example ESMTP\r\n');
    socket.on('data', (octets: string) => {
      const replies = reader.read(octets);
      if (replies !== '') socket.write(replies);
      if (replies.endsWith('221 Bye\r\n')) socket.end();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const bound = server.address();
  return {
    address: '127.0.0.1',
    port: typeof bound === 'object' && bound !== null ? bound.port : 0,
    mails,
    offences,
    close: () =>
      new Promise((resolve) => {
        for (const socket of open) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

class OctetReader {
  readonly #extensions: readonly string[];
  readonly #refusal: (recipient: string) => string | undefined;
  readonly #mails: RecordedMail[];
  readonly #offences: string[];
  #pending = '';
  #mail = '';
  #recipients: string[] = [];
  #text = '';
  #inData = false;
  #chunk: { readonly octets: number; readonly last: boolean } | undefined;

  constructor(
    extensions: readonly string[],
    refusal: (recipient: string) => string | undefined,
    mails: RecordedMail[],
    offences: string[],
  ) {
    this.#extensions = extensions;
    this.#refusal = refusal;
    this.#mails = mails;
    this.#offences = offences;
  }

  read(octets: string): string {
    this.#pending += octets;
    let replies = '';
    for (let reply = this.#step(); reply !== undefined; reply = this.#step()) replies += reply;
    return replies;
  }

  #step(): string | undefined {
    if (this.#inData) return this.#readData();
    if (this.#chunk !== undefined) return this.#readChunk(this.#chunk);
    const end = this.#pending.indexOf('\r\n');
    if (end === -1) return undefined;
    const line = this.#take(end + 2).slice(0, -2);
    this.#judge(line);
    return this.#command(line);
  }

  #command(line: string): string {
    const [verb = '', ...words] = line.toUpperCase().split(' ');
    switch (verb) {
      case 'EHLO':
        return `250-sink.example\r\n${this.#extensions.map((name) => `250-${name}\r\n`).join('')}250 HELP\r\n`;
      case 'MAIL':
        this.#reset();
        this.#mail = line.slice('MAIL FROM:'.length);
        return '250 Ok\r\n';
      case 'RCPT': {
        const recipient = line.slice('RCPT TO:'.length);
        const refusal = this.#refusal(recipient);
        if (refusal === undefined) this.#recipients.push(recipient);
        return `${refusal ?? '250 Ok'}\r\n`;
      }
      case 'DATA':
        if (this.#recipients.length === 0) return '503 No recipients\r\n';
        this.#inData = true;
        return '354 Go on\r\n';
      case 'BDAT':
        this.#chunk = { octets: Number(words[0]), last: words[1] === 'LAST' };
        return '';
      case 'RSET':
        this.#reset();
        return '250 Ok\r\n';
      case 'QUIT':
        return '221 Bye\r\n';
      default:
        this.#offences.push(`unknown command ${JSON.stringify(line.slice(0, 80))}`);
        return '500 Unknown\r\n';
    }
  }

  #readData(): string | undefined {
    const end = `\r\n${this.#pending}`.indexOf('\r\n.\r\n');
    if (end === -1) return undefined;
    const raw = this.#take(end + 3).slice(0, end);
    this.#inData = false;
    this.#judge(raw);
    this.#text = raw.replace(/(^|\r\n)\./g, '$1');
    return this.#end();
  }

  #readChunk(chunk: { readonly octets: number; readonly last: boolean }): string | undefined {
    if (this.#pending.length < chunk.octets) return undefined;
    this.#text += this.#take(chunk.octets);
    this.#chunk = undefined;
    if (!chunk.last) return '250 Ok\r\n';
    this.#judge(this.#text);
    if (this.#recipients.length > 0) return this.#end();
    this.#reset();
    return '503 No recipients\r\n';
  }

  #end(): string {
    this.#mails.push({ mail: this.#mail, recipients: this.#recipients, text: this.#text });
    this.#reset();
    return '250 Ok\r\n';
  }

  #reset(): void {
    this.#mail = '';
    this.#recipients = [];
    this.#text = '';
  }

  #take(octets: number): string {
    const taken = this.#pending.slice(0, octets);
    this.#pending = this.#pending.slice(octets);
    return taken;
  }

  #judge(octets: string): void {
    const found = /\r(?!\n)|(?<!\r)\n|\0/.exec(octets);
    if (found === null) return;
    const around = octets.slice(Math.max(0, found.index - 30), found.index + 30);
    this.#offences.push(`a bare CR or LF or a NUL in ${JSON.stringify(around)}`);
  }
}
