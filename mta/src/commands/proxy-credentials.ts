import { type FileWatch, type Logger, type SecretFiles, type Settings, watchFiles } from '../config/mod.ts';

/**
 * Follows the password files of `spec.credentials` without a restart: new connections to a proxy use what is in them now. A broken file is
 * told in the log, and what was in force stays.
 *
 * @param credentials changed in place
 *
 * Example: `const credentials = new Map(settings.credentials); const followed = followCredentials(credentials, secrets, logger);`
 */
export function followCredentials(
  credentials: Map<string, { readonly username: string; readonly password: string }>,
  secrets: SecretFiles,
  logger: Logger,
  pollMs?: number,
): FileWatch {
  if (credentials.size === 0) return { close() {} };
  return watchFiles(
    secrets.files,
    async () => {
      const again = secrets.readAgain();
      if ('problems' in again) {
        for (const problem of again.problems)
          logger.error({ ...problem }, 'a changed file is broken, the old credentials stay in force');
        return;
      }
      if (replace(credentials, again.settings.credentials))
        logger.info({ credentials: credentials.size }, 'other credentials are in force');
    },
    pollMs,
  );
}

/** Whether something changed. */
function replace(
  credentials: Map<string, { readonly username: string; readonly password: string }>,
  fresh: Settings['credentials'],
): boolean {
  const before = JSON.stringify([...credentials]);
  if (before === JSON.stringify([...fresh])) return false;
  credentials.clear();
  for (const [name, credential] of fresh) credentials.set(name, credential);
  return true;
}
