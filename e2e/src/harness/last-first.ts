import type { TestContext } from 'node:test';

const closers = new WeakMap<TestContext, (() => unknown)[]>();

/** Runs a closer after the test, before those that were registered earlier: what was opened last depends on what was opened first. */
export function closeAfter(context: TestContext, close: () => unknown): void {
  const registered = closers.get(context);
  if (registered !== undefined) {
    registered.push(close);
    return;
  }
  const all = [close];
  closers.set(context, all);
  context.after(async () => {
    for (const each of all.reverse()) await each();
  });
}
