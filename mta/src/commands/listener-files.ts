import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { errorText, SluiceError } from '@sluice/crds';
import {
  type FileWatch,
  type Logger,
  type SecretFiles,
  type SmtpListenerSettings,
  watchFiles,
} from '../config/mod.ts';
import type { SmtpListener } from '../intake/mod.ts';
import type { ListenerUsers } from './listener-users.ts';

/** A listener that runs, with what is read again when its files change. */
export interface FollowedListener {
  readonly settings: SmtpListenerSettings;
  readonly running: Pick<SmtpListener, 'reloadTls'>;
  readonly users: ListenerUsers;
}

/**
 * Follows the files of listeners without a restart: certificate and key, users and their passwords. In force within two seconds; where a new file
 * is no good, the log says why and what was in force stays.
 *
 * Example: `const followed = followListenerFiles(listeners, loaded.secrets, logger); …; followed.close()`
 */
export function followListenerFiles(
  listeners: readonly FollowedListener[],
  secrets: SecretFiles,
  logger: Logger,
  pollMs?: number,
): FileWatch {
  const certificateFiles = new Set<string>();
  const watches: FileWatch[] = [];
  for (const { settings, running } of listeners) {
    const { name, tls } = settings;
    if (tls === undefined) continue;
    certificateFiles.add(tls.certificateFile).add(tls.keyFile);
    const reload = certificateReload(name, tls, running, logger);
    watches.push(watchFiles([tls.certificateFile, tls.keyFile], reload, pollMs));
  }
  const userFiles = secrets.files.filter((file) => !certificateFiles.has(file));
  if (userFiles.length > 0) {
    watches.push(watchFiles(userFiles, async () => reloadUsers(listeners, secrets, logger), pollMs));
  }
  return {
    close() {
      for (const watch of watches) watch.close();
    },
  };
}

function certificateReload(
  listener: string,
  { certificateFile, keyFile }: NonNullable<SmtpListenerSettings['tls']>,
  running: Pick<SmtpListener, 'reloadTls'>,
  logger: Logger,
): () => Promise<void> {
  let inForce: string | undefined;
  return async () => {
    try {
      const [cert, key] = await Promise.all([readFile(certificateFile), readFile(keyFile)]);
      const content = `${cert}\n${key}`;
      if (content === inForce) return;
      running.reloadTls({ cert, key });
      const first = inForce === undefined;
      inForce = content;
      const { subject, validTo } = new X509Certificate(cert);
      const fields = { listener, certificateFile, subject, validTo };
      if (first) logger.debug(fields, 'the certificate is in force');
      else logger.info(fields, 'another certificate is in force');
    } catch (error) {
      logger.error(
        { listener, certificateFile, keyFile, ...told(error, certificateFile) },
        'the new certificate cannot be used, the old one stays in force',
      );
    }
  };
}

function told(error: unknown, file: string): { readonly code: string; readonly what: string } {
  if (error instanceof SluiceError) return { code: error.code, what: error.message };
  const code = 'SLUICE_CONFIG_UNREADABLE';
  const reason = error instanceof Error ? error.message : String(error);
  return { code, what: errorText(code, { file, reason }).what };
}

function reloadUsers(listeners: readonly FollowedListener[], secrets: SecretFiles, logger: Logger): void {
  const again = secrets.readAgain();
  if ('problems' in again) {
    for (const problem of again.problems) {
      logger.error({ ...problem }, 'a changed file is broken, the old users stay in force');
    }
    return;
  }
  for (const { settings, users } of listeners) {
    const now = again.settings.smtpListeners.find(({ name }) => name === settings.name)?.auth?.users ?? [];
    if (users.replace(now)) {
      logger.info({ listener: settings.name, users: users.count }, 'other users are in force');
    }
  }
}
