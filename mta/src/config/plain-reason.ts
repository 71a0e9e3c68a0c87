/**
 * Why something could not be read, in words for a sentence that names the file already: without the code, the call and the path that
 * Node puts into its messages.
 *
 * Example: `ENOENT: no such file or directory, open 'x.yaml'` → `no such file or directory`
 */
export function plainReason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/^E[A-Z0-9]+: /, '').replace(/, [a-z]+(?: '.*')?$/s, '');
}
