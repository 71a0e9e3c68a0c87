import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { SluiceError } from '@sluice/crds';

/** Files are looked at this often at most, milliseconds, and only when a connection wants the certificate. */
export const CERTIFICATE_CHECK_MS = 10_000;

/** A certificate of `spec.certificates[]` as the settings name it. */
export interface CertificateFiles {
  readonly name: string;
  /** Certificate chain, PEM. */
  readonly certificateFile: string;
  /** Private key, PEM. */
  readonly keyFile: string;
}

export interface ClientCertificate {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Another one for each content. */
  readonly fingerprint: string;
}

/** Told once for each state of the files. */
export interface CertificateReport {
  reloaded(name: string): void;
  /** The files cannot be used; the certificate of before goes on. */
  unusable(name: string, reason: string): void;
}

interface Entry {
  readonly files: CertificateFiles;
  current: ClientCertificate;
  checkedAtMs: number;
  /** What the files looked like when they were read last, for better or worse. */
  state: string;
}

/**
 * Certificates that Sluice shows to hosts that ask for one, by name. Files that change (a renewed Secret) are taken up without restart;
 * a pair that is half written or does not match leaves the one of before in use.
 *
 * @throws {SluiceError} `SLUICE_CERTIFICATE_UNUSABLE` when a pair cannot be used at the start
 *
 * Example: `new ClientCertificates([{ name: 'relay', certificateFile, keyFile }], () => performance.now(), report).find('relay')`
 */
export class ClientCertificates {
  readonly #entries = new Map<string, Entry>();
  readonly #nowMs: () => number;
  readonly #report: CertificateReport;

  constructor(certificates: readonly CertificateFiles[], nowMs: () => number, report: CertificateReport) {
    this.#nowMs = nowMs;
    this.#report = report;
    for (const files of certificates) {
      try {
        const state = stateOf(files);
        this.#entries.set(files.name, { files, current: read(files), checkedAtMs: nowMs(), state });
      } catch (error) {
        const reason = reasonOf(error);
        throw new SluiceError(
          'SLUICE_CERTIFICATE_UNUSABLE',
          { certificate: files.name, reason },
          {},
          error instanceof Error ? error : undefined,
        );
      }
    }
  }

  /** The newest usable certificate of that name; `undefined` = the settings have none. */
  find(name: string): ClientCertificate | undefined {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    const nowMs = this.#nowMs();
    if (nowMs - entry.checkedAtMs >= CERTIFICATE_CHECK_MS) {
      entry.checkedAtMs = nowMs;
      this.#refresh(entry);
    }
    return entry.current;
  }

  #refresh(entry: Entry): void {
    const { name } = entry.files;
    let state = 'unreadable';
    try {
      state = stateOf(entry.files);
      if (state === entry.state) return;
      const fresh = read(entry.files);
      if (fresh.fingerprint !== entry.current.fingerprint) this.#report.reloaded(name);
      entry.current = fresh;
    } catch (error) {
      if (state !== entry.state) this.#report.unusable(name, reasonOf(error));
    }
    entry.state = state;
  }
}

function stateOf({ certificateFile, keyFile }: CertificateFiles): string {
  return [certificateFile, keyFile]
    .map((file) => {
      const { mtimeMs, ino, size } = statSync(file);
      return `${mtimeMs} ${ino} ${size}`;
    })
    .join(' ');
}

function read({ certificateFile, keyFile }: CertificateFiles): ClientCertificate {
  const cert = readFileSync(certificateFile);
  const key = readFileSync(keyFile);
  // Says now what each handshake would say later: no PEM, a key of another certificate.
  createSecureContext({ cert, key });
  return { cert, key, fingerprint: createHash('sha256').update(cert).update(key).digest('hex') };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
