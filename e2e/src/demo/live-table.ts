import type { QueueLane, QueueSnapshot } from '../harness/queue-reader.ts';
import type { ProviderRecord } from '../internet/internet.ts';
import { ALLOWED, SOURCES } from './scenario.ts';

/** Rows of the table: provider, and which sites of the queue belong to it. */
const ROWS: readonly { readonly name: string; readonly site: RegExp }[] = [
  { name: 'gmail', site: /\.google\.com/ },
  { name: 'yahoo', site: /yahoodns\.net/ },
  { name: 'outlook', site: /\.olc\.protection\.outlook\.com/ },
  { name: 'microsoft-365', site: /\.mail\.protection\.outlook\.com/ },
  { name: 'small', site: /shop-\d+\.example/ },
];

const LAST_REPLY_WIDTH = 60;

interface Row {
  readonly name: string;
  readonly queued: number;
  readonly delivered: number;
  readonly connections: string;
  readonly lastReply: string;
}

/** The demo's live table: destination, queued, delivered per second, connections and their limit, last reply. */
export class LiveTable {
  readonly #enabled: boolean;
  readonly #interactive: boolean;
  readonly #before = new Map<string, number>();
  #beforeMs = performance.now();
  #drawn = 0;

  constructor(options: { readonly enabled: boolean; readonly interactive: boolean }) {
    this.#enabled = options.enabled;
    this.#interactive = options.interactive;
  }

  show(
    records: readonly ProviderRecord[],
    queue: QueueSnapshot,
    progress: { readonly injected: number; readonly total: number },
  ): void {
    if (!this.#enabled) return;
    const nowMs = performance.now();
    const seconds = Math.max(0.001, (nowMs - this.#beforeMs) / 1000);
    this.#beforeMs = nowMs;
    const lines = [`injected ${progress.injected}/${progress.total}, queued ${queue.entries}`];
    lines.push(line('destination', 'queued', 'delivered', '/s', 'conn/limit', 'last reply'));
    for (const row of rows(records, queue)) {
      const perSecond = (row.delivered - (this.#before.get(row.name) ?? 0)) / seconds;
      this.#before.set(row.name, row.delivered);
      lines.push(
        line(
          row.name,
          String(row.queued),
          String(row.delivered),
          perSecond.toFixed(0),
          row.connections,
          row.lastReply,
        ),
      );
    }
    this.#draw(lines);
  }

  finish(records: readonly ProviderRecord[], queue: QueueSnapshot): void {
    if (!this.#enabled) return;
    const lines = [
      '',
      line('destination', 'queued', 'delivered', '', 'peak/limit', 'peaks are per source address'),
    ];
    for (const row of rows(records, queue)) {
      const peak = Math.max(
        0,
        ...records
          .filter((record) => record.name === row.name)
          .flatMap((record) => record.sources.map((source) => source.peakConnections)),
      );
      lines.push(
        line(
          row.name,
          String(row.queued),
          String(row.delivered),
          '',
          `${peak}/${ALLOWED[row.name]?.connections ?? '-'}`,
          '',
        ),
      );
    }
    this.#drawn = 0;
    this.#draw(lines);
  }

  /** On a terminal the table is drawn over the last one; elsewhere each goes below the other. */
  #draw(lines: readonly string[]): void {
    if (this.#interactive && this.#drawn > 0) process.stdout.write(`\x1b[${this.#drawn}A\x1b[J`);
    process.stdout.write(`${lines.join('\n')}\n`);
    this.#drawn = lines.length;
  }
}

function rows(records: readonly ProviderRecord[], queue: QueueSnapshot): readonly Row[] {
  return ROWS.map(({ name, site }) => {
    const lanes = queue.lanes.filter((lane) => site.test(lane.site));
    const mine = records.filter((record) => record.name === name);
    const open = lanes.reduce((sum, lane) => sum + lane.connections, 0);
    const allowed = (ALLOWED[name]?.connections ?? 0) * SOURCES.length * (name === 'small' ? mine.length : 1);
    return {
      name,
      queued: lanes.reduce((sum, lane) => sum + lane.ready + lane.asleep + lane.waiting + lane.inFlight, 0),
      delivered: mine.reduce((sum, record) => sum + record.messages, 0),
      connections: `${open}/${allowed}`,
      lastReply: lastReply(lanes),
    };
  });
}

function lastReply(lanes: readonly QueueLane[]): string {
  const reply =
    lanes
      .map((lane) => lane.lastReply)
      .filter(Boolean)
      .at(-1) ?? '';
  return reply.length > LAST_REPLY_WIDTH ? `${reply.slice(0, LAST_REPLY_WIDTH - 1)}…` : reply;
}

function line(
  name: string,
  queued: string,
  delivered: string,
  perSecond: string,
  connections: string,
  reply: string,
): string {
  return `${name.padEnd(14)}${queued.padStart(8)}${delivered.padStart(11)}${perSecond.padStart(7)}${connections.padStart(12)}  ${reply}`;
}
