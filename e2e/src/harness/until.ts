/**
 * Waits until a condition holds, asking every 20 ms; fails loudly with the last value after `timeoutMs`.
 *
 * Example: `await until('the queue is empty', () => queueSize(), (size) => size === 0, 10_000)`
 */
export async function until<T>(
  what: string,
  read: () => T | Promise<T>,
  holds: (value: T) => boolean,
  timeoutMs: number,
): Promise<T> {
  const giveUpMs = performance.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (holds(value)) return value;
    if (performance.now() > giveUpMs)
      throw new Error(`after ${timeoutMs} ms still not: ${what}; last seen ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
