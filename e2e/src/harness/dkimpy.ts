import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Debian's own interpreter, for which python3-dkim is installed. */
const PYTHON = '/usr/bin/python3';

/** Reads messages and DNS records from files; prints one line a message: `domain=True` or `=False` for each signature. */
const SCRIPT = `
import base64, json, re, sys, dkim
records = {name.encode(): text.encode() for name, text in json.load(open(sys.argv[2])).items()}
def dnsfunc(name, timeout=5):
    return records.get(name.rstrip(b'.'))
for line in open(sys.argv[1]):
    message = dkim.DKIM(base64.b64decode(line))
    verdicts = []
    signatures = [value for name, value in message.headers if name.lower() == b'dkim-signature']
    for index, value in enumerate(signatures):
        domain = re.search(rb'[ \\t;]d=([^;]+);', value).group(1).decode()
        try:
            verdicts.append('%s=%s' % (domain, message.verify(idx=index, dnsfunc=dnsfunc)))
        except Exception as error:
            verdicts.append('%s=%s' % (domain, error))
    print(' '.join(verdicts))
`;

/** `false`, or why a test skips that needs dkimpy. */
export function skipWithoutDkimpy(whatIsNotCovered: string): string | false {
  try {
    execFileSync(PYTHON, ['-c', 'import dkim, nacl'], { stdio: 'ignore' });
    return false;
  } catch {
    return `dkimpy is not here (Debian packages python3-dkim, python3-nacl): NOT COVERED: ${whatIsNotCovered}`;
  }
}

/**
 * What dkimpy says of each message, one process for all: `shop.example=True esp.example=True`.
 *
 * @param records TXT records by name
 */
export async function dkimpyVerdicts(
  messages: readonly Buffer[],
  records: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-dkimpy-'));
  try {
    const [mailFile, dnsFile] = [join(directory, 'mail'), join(directory, 'dns')];
    writeFileSync(mailFile, messages.map((message) => `${message.toString('base64')}\n`).join(''));
    writeFileSync(dnsFile, JSON.stringify(records));
    const { stdout } = await promisify(execFile)(PYTHON, ['-c', SCRIPT, mailFile, dnsFile], {
      maxBuffer: 2 ** 26,
    });
    return stdout.split('\n').slice(0, -1);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
