import { z } from 'zod';

const targets = z.array(z.object({ webSocketDebuggerUrl: z.string() })).min(1);
const evaluated = z.object({ result: z.object({ result: z.object({ value: z.string() }) }) });
const usage = z.object({ heapUsed: z.number(), external: z.number() });

/** `nodeOptions` of a process that {@link liveBytes} can ask. */
export function askable(port: number): readonly string[] {
  return [`--inspect=127.0.0.1:${port}`];
}

/**
 * Bytes that a process of Node needs for what it knows, after garbage was collected: its heap and what lies beside it (typed arrays, buffers). What its
 * allocators keep for later is resident too, and not in here.
 *
 * Example: `const pod = await startSluice({ …, nodeOptions: askable(port) }); await liveBytes(port)`
 */
export async function liveBytes(port: number): Promise<number> {
  const [target] = targets.parse(await (await fetch(`http://127.0.0.1:${port}/json/list`)).json());
  if (target === undefined) throw new Error('unreachable: there is at least one');
  const socket = new WebSocket(target.webSocketDebuggerUrl);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve, { once: true });
    socket.addEventListener('error', () => reject(new Error('its inspector does not answer')), {
      once: true,
    });
  });
  let lastId = 0;
  const call = (method: string, params: unknown = {}): Promise<string> =>
    new Promise((resolve) => {
      const id = ++lastId;
      const hear = ({ data }: MessageEvent): void => {
        const text = String(data);
        if (z.object({ id: z.literal(id) }).safeParse(JSON.parse(text)).success === false) return;
        socket.removeEventListener('message', hear);
        resolve(text);
      };
      socket.addEventListener('message', hear);
      socket.send(JSON.stringify({ id, method, params }));
    });
  try {
    // What the first one frees of arrays is counted off by the second.
    for (let round = 0; round < 2; round++) await call('HeapProfiler.collectGarbage');
    const expression = 'JSON.stringify(process.memoryUsage())';
    const answer = evaluated.parse(JSON.parse(await call('Runtime.evaluate', { expression })));
    const { heapUsed, external } = usage.parse(JSON.parse(answer.result.result.value));
    return heapUsed + external;
  } finally {
    socket.close();
  }
}
