import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { SluiceError } from '@sluice/crds';
import { type Command, InvalidArgumentError } from 'commander';
import { loadSettings } from '../config/mod.ts';
import { createSigner, KeyStore, type MissingKey, parseKey, type SignResult, zoneLine } from '../sign/mod.ts';
import { ProblemsFound } from './problems-found.ts';

/** What every receiver verifies; larger ones are slower and their records do not fit everywhere. */
const RSA_BITS = 2048;
/** Only its owner may read a new key. */
const KEY_MODE = 0o600;

/** Adds `sluice dkim key`, `sluice dkim record` and `sluice dkim check`. */
export function dkim(program: Command): void {
  const group = program
    .command('dkim')
    .summary('Make DKIM keys, and see what would be signed')
    .description(
      'Makes keys for DKIM signatures with their DNS records, and says what the rules of sluice.yaml make of a message.',
    );
  group
    .command('key')
    .description('Writes a new private key and prints the DNS record that belongs to it.')
    .argument('<file>', 'where the key is written; a file that is there is left alone')
    .requiredOption('--domain <domain>', 'domain of the signature', domainName)
    .requiredOption('--selector <selector>', 'selector of the signature', domainName)
    .option('--ed25519', `an Ed25519 key instead of RSA with ${RSA_BITS} bits`)
    .addHelpText(
      'after',
      '\nExample:\n  $ sluice dkim key keys/shop.example/s1.pem --domain shop.example --selector s1\n',
    )
    .action((file: string, options: RecordOptions & { ed25519?: true }, command: Command) => {
      const { privateKey } =
        options.ed25519 === true
          ? generateKeyPairSync('ed25519')
          : generateKeyPairSync('rsa', { modulusLength: RSA_BITS });
      const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
      try {
        writeFileSync(file, pem, { mode: KEY_MODE, flag: 'wx' });
      } catch (error) {
        throw keyFileError(file, error);
      }
      printRecord(pem, file, options, command);
    });
  group
    .command('record')
    .description('Prints the DNS record of a private key.')
    .argument('<file>', 'private key, PEM')
    .requiredOption('--domain <domain>', 'domain of the signature', domainName)
    .requiredOption('--selector <selector>', 'selector of the signature', domainName)
    .addHelpText('after', '\nExample:\n  $ sluice dkim record s1.pem --domain shop.example --selector s1\n')
    .action((file: string, options: RecordOptions, command: Command) => {
      let pem: string;
      try {
        pem = readFileSync(file, 'utf8');
      } catch (error) {
        throw keyFileError(file, error);
      }
      printRecord(pem, file, options, command);
    });
  group
    .command('check')
    .description(
      'Prints the DKIM-Signature fields that a message would get, or why it would get none. Exit code 1 when it would be refused or held.',
    )
    .argument('<message>', 'file with a message (RFC 5322)')
    .requiredOption('--config <file>', 'the settings file, sluice.yaml')
    .option('--tenant <name>', 'tenant of the message', '')
    .addHelpText(
      'after',
      '\nExample:\n  $ sluice dkim check message.eml --config sluice.yaml --tenant shop\n',
    )
    .action(async (file: string, options: { config: string; tenant: string }, command: Command) => {
      const loaded = loadSettings(options.config);
      if ('problems' in loaded) throw new ProblemsFound(loaded.problems);
      const keys = new KeyStore({ nowMs: () => performance.now(), onChanged() {}, onBroken() {} });
      const result = await createSigner(loaded.settings.dkim, keys).sign(options, [messageOf(file)]);
      const { json } = command.optsWithGlobals<{ json?: true }>();
      command.configureOutput().writeOut?.(json === true ? resultJson(result) : resultText(result));
      if (result.kind === 'missing-key' || result.kind === 'unsignable') throw new ProblemsFound([], true);
    });
}

interface RecordOptions {
  readonly domain: string;
  readonly selector: string;
}

function printRecord(pem: string, file: string, { domain, selector }: RecordOptions, command: Command): void {
  const key = parseKey(pem);
  if (typeof key === 'string') throw new SluiceError('SLUICE_DKIM_KEY_FILE', { file, reason: key }, { file });
  const record = zoneLine(domain, selector, key);
  const { json } = command.optsWithGlobals<{ json?: true }>();
  const text = json === true ? JSON.stringify({ file, algorithm: key.algorithm, record }) : record;
  command.configureOutput().writeOut?.(`${text}\n`);
}

/** The message as it would come over SMTP. */
function messageOf(file: string): Buffer {
  try {
    return Buffer.from(readFileSync(file, 'latin1').replace(/\r?\n/g, '\r\n'), 'latin1');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SluiceError('SLUICE_CONFIG_UNREADABLE', { file, reason }, { file }, error);
  }
}

function resultText(result: SignResult): string {
  switch (result.kind) {
    case 'signed':
      return `Rule ${result.rule}:\n${result.fields.toString('latin1').replaceAll('\r\n', '\n')}${leftOutText(result.leftOut)}`;
    case 'unsigned':
      return result.rule === ''
        ? 'No rule matches: it would be sent unsigned.\n'
        : `Rule ${result.rule}: it would be sent unsigned.\n${leftOutText(result.leftOut)}`;
    case 'missing-key':
      return `Rule ${result.missing.rule}: ${result.onMissingKey === 'Hold' ? 'it would be held' : 'it would be refused'}: ${missingText(result.missing)}\n`;
    case 'unsignable':
      return `It would be refused: ${result.reason}.\n`;
  }
}

function leftOutText(leftOut: readonly MissingKey[]): string {
  return leftOut.map((missing) => `Left out: ${missingText(missing)}\n`).join('');
}

function missingText({ domain, selector, file, reason }: MissingKey): string {
  return `no key for ${domain} (selector ${selector}): ${file}: ${reason}.`;
}

function resultJson(result: SignResult): string {
  return `${JSON.stringify(result.kind === 'signed' ? { ...result, fields: result.fields.toString('latin1') } : result)}\n`;
}

function keyFileError(file: string, error: unknown): SluiceError {
  const reason = error instanceof Error ? error.message : String(error);
  return new SluiceError('SLUICE_DKIM_KEY_FILE', { file, reason }, { file }, error);
}

function domainName(text: string): string {
  const lower = text.toLowerCase();
  if (/^(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/.test(lower)) return lower;
  throw new InvalidArgumentError('write letters, digits, hyphens and dots; no dot at the end.');
}
