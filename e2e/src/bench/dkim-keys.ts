import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What `--dkim` takes. */
export const DKIM_KINDS = ['rsa-1024', 'rsa-2048', 'ed25519'] as const;
export type DkimKind = (typeof DKIM_KINDS)[number];

/** A key in a temporary directory, and `spec.dkim` of sluice.yaml that signs all mail with it. */
export function dkimSetup(kind: DkimKind): { readonly dkim: unknown; remove(): void } {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-dkim-'));
  const { privateKey } =
    kind === 'ed25519'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('rsa', { modulusLength: Number(kind.slice('rsa-'.length)) });
  writeFileSync(join(directory, 'bench.pem'), privateKey.export({ format: 'pem', type: 'pkcs8' }));
  return {
    dkim: {
      rules: [
        { name: 'all', signatures: [{ selector: 'bench', keyFile: join(directory, '{selector}.pem') }] },
      ],
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}
