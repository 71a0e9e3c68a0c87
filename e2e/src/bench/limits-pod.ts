import { createShaper, type KeySet, openSharedAllocation, type Waiter } from '@sluice/mta/shape';

/** What a pod of the benchmark is to do. */
export interface LimitsLoad {
  readonly natsUrl: string;
  readonly pod: number;
  readonly messagesPerSecond: number;
  readonly destinations: number;
  readonly warmSeconds: number;
  readonly seconds: number;
}

/** What it did in the seconds that count. */
export interface LimitsPodFigures {
  readonly taken: number;
  readonly cpuSeconds: number;
  readonly ledShards: number;
}

const TICK_MS = 10;
const MESSAGES_PER_CONNECTION = 20;
/** Together twice what is sent: who waits waits for a part that others hold. */
const LIMIT = { connections: 10, recipientRate: { count: 50, periodMs: 1_000 } };

/** Mail of one pod for one destination: connects, sends some messages, leaves, as a session does. */
class Lane implements Waiter {
  readonly priority = 0;
  readonly since = performance.now();
  readonly #keys: KeySet;
  readonly #shaper: ReturnType<typeof createShaper>;
  #grant: ReturnType<typeof this.connect> | undefined;
  #waits = false;
  #carried = 0;
  queued = 0;
  taken = 0;

  constructor(shaper: ReturnType<typeof createShaper>, destination: number) {
    const id = `shared|Source=192.0.2.1|Site=site-${destination}`;
    this.#shaper = shaper;
    this.#keys = {
      keys: [{ id, limitName: 'shared', scope: 'Cluster', bounds: LIMIT, shard: `site-${destination}` }],
    };
  }

  readonly wake = (): void => {
    this.#waits = false;
    this.send();
  };

  send(): void {
    while (this.queued > 0 && !this.#waits) {
      this.#grant ??= this.connect();
      if (this.#grant === undefined) return;
      const cost = { recipients: 1, sizeBytes: 2_048 };
      if (!this.#shaper.takeTransaction(this.#keys, cost, this, performance.now()).granted) {
        this.#waits = true;
        return;
      }
      this.queued--;
      this.taken++;
      if (++this.#carried < MESSAGES_PER_CONNECTION) continue;
      this.#shaper.release(this.#grant, performance.now());
      this.#grant = undefined;
    }
  }

  connect() {
    const taken = this.#shaper.takeConnection(this.#keys, this, performance.now());
    this.#waits = !taken.granted;
    this.#carried = 0;
    return taken.granted ? taken : undefined;
  }
}

async function run(load: LimitsLoad): Promise<LimitsPodFigures> {
  const nowMs = (): number => performance.now();
  const shared = await openSharedAllocation({
    nats: {
      servers: [load.natsUrl],
      credentials: { kind: 'none' },
      inboxPrefix: `_INBOX_bench${load.pod}`,
      name: 'limits',
    },
    prefix: 'bench',
    bucket: 'bench-limits',
    replicas: 1,
    createBucket: true,
    nowMs,
    onFenced: () => {},
    onShared: () => {},
    onNotice: () => {},
  });
  const shaper = createShaper({
    client: `pod-${load.pod}`,
    allocation: shared.allocation,
    onArrived: () => advance(),
  });
  let timer: NodeJS.Timeout | undefined;
  function advance(): void {
    clearTimeout(timer);
    shaper.advance(nowMs());
    const atMs = shaper.nextWakeAtMs();
    if (atMs !== undefined) timer = setTimeout(advance, Math.max(1, atMs - nowMs()));
  }
  const lanes = Array.from({ length: load.destinations }, (_, index) => new Lane(shaper, index));
  let owed = 0;
  let lastMs = nowMs();
  const feed = setInterval(() => {
    owed += ((nowMs() - lastMs) * load.messagesPerSecond) / 1_000;
    lastMs = nowMs();
    for (; owed >= 1; owed--) {
      const lane = lanes[Math.floor(Math.random() * lanes.length)];
      if (lane === undefined) continue;
      lane.queued++;
      lane.send();
    }
    advance();
  }, TICK_MS);
  const taken = (): number => lanes.reduce((sum, lane) => sum + lane.taken, 0);
  const cpuSeconds = (): number => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  };
  await new Promise((resolve) => setTimeout(resolve, load.warmSeconds * 1_000));
  process.send?.('warm');
  const before = { taken: taken(), cpuSeconds: cpuSeconds() };
  await new Promise((resolve) => setTimeout(resolve, load.seconds * 1_000));
  const figures = {
    taken: taken() - before.taken,
    cpuSeconds: cpuSeconds() - before.cpuSeconds,
    ledShards: shared.state().ledShards,
  };
  clearInterval(feed);
  clearTimeout(timer);
  await shared.close();
  return figures;
}

if (process.send !== undefined) {
  process.once('message', (load: LimitsLoad) => {
    void run(load).then((figures) => process.send?.(figures, () => process.exit(0)));
  });
}
