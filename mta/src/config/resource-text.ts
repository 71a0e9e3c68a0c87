import { readFile, stat } from 'node:fs/promises';

/** Ten thousand sources take three; what is larger than this is no resource file, and reading it would stop the process for seconds. */
export const MAX_RESOURCE_FILE_BYTES = 8 * 2 ** 20;

/** Reads a resource file. Throws an Error whose message says to the user why it cannot be one. */
export async function readResourceText(path: string): Promise<string> {
  const { size } = await stat(path);
  if (size > MAX_RESOURCE_FILE_BYTES) throw tooLarge();
  return resourceText(await readFile(path));
}

/**
 * The text of a resource file: UTF-8 without NUL. What is no text must not come through as one with other characters in it.
 *
 * Example: `resourceText(Buffer.from([0xff]))` throws `it is not UTF-8 text`
 */
export function resourceText(bytes: Uint8Array): string {
  if (bytes.length > MAX_RESOURCE_FILE_BYTES) throw tooLarge();
  if (bytes.includes(0)) throw new Error('it holds a NUL byte, so it is not UTF-8 text');
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new Error('it is not UTF-8 text', { cause: error });
  }
}

function tooLarge(): Error {
  return new Error(`it is larger than ${MAX_RESOURCE_FILE_BYTES / 2 ** 20} MiB; split it in several files`);
}
