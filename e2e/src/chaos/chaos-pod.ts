import type { SluiceProcess, SluiceSetup } from '../harness/sluice-process.ts';
import { startSluice } from '../harness/sluice-process.ts';
import type { DroppedSegment } from './journal-book.ts';
import type { PodPlace } from './network.ts';

/** Pause before a pod is started again that ended by itself, or could not start. */
const RESTART_MS = 1_000;
const ASK_TIMEOUT_MS = 1_000;

export interface ChaosPodOptions {
  readonly name: string;
  readonly place: PodPlace;
  readonly setup: SluiceSetup;
  readonly say: (line: string) => void;
}

/** A pod with its supervisor, and what it said while it ran. */
export class ChaosPod {
  readonly name: string;
  readonly place: PodPlace;
  readonly #options: ChaosPodOptions;
  /** Sessions that it had, as it said itself. */
  readonly sessions = new Set<string>();
  readonly dropped: DroppedSegment[] = [];
  /** Ends that nobody asked for, with its last words. */
  readonly fallen: string[] = [];
  /** Its log, over all its lives. */
  readonly log: string[] = [];
  #process: SluiceProcess | undefined;
  /** Of the process that is there now, up or not; 0 = none. */
  #pid = 0;
  #starting: Promise<void> | undefined;
  #linesRead = 0;
  #isDown = false;
  #closed = false;

  constructor(options: ChaosPodOptions) {
    this.#options = options;
    this.name = options.name;
    this.place = options.place;
  }

  /** `undefined` = it is not up. */
  get smtp(): SluiceProcess['smtp'] | undefined {
    return this.#process?.smtp;
  }

  get admin(): string | undefined {
    return this.#process?.admin;
  }

  /** Starts it, and again until it is up; one process at a time, whoever asks. */
  start(): Promise<void> {
    this.#isDown = false;
    this.#starting ??= this.#startUntilUp().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  async #startUntilUp(): Promise<void> {
    while (this.#process === undefined && !this.#isDown && !this.#closed) {
      try {
        const onSpawned = (pid: number): void => {
          this.#pid = pid;
        };
        const started = await startSluice({ ...this.#options.setup, onSpawned });
        this.#linesRead = 0;
        this.#process = started;
        this.#supervise(started);
      } catch (error) {
        this.#pid = 0;
        const reason = error instanceof Error ? error.message : String(error);
        this.#options.say(`${this.name} could not start: ${lastLine(reason)}`);
        await pause(RESTART_MS);
      }
    }
  }

  /** Ends it with a signal and waits for its end; `false` = it was not up. */
  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<boolean> {
    const running = this.#process;
    if (running === undefined) return false;
    this.#isDown = true;
    this.#process = undefined;
    await running.kill(signal);
    this.#read(running);
    return true;
  }

  /** SIGKILL at once, also while it starts or ends; started again after `downMs`. */
  async shoot(downMs: number): Promise<void> {
    if (this.#process !== undefined) {
      await this.end('SIGKILL');
      await pause(downMs);
      await this.start();
    } else if (this.#pid !== 0) {
      // Whoever starts or ends it goes on from there.
      process.kill(this.#pid, 'SIGKILL');
    }
  }

  /** SIGSTOP or SIGCONT; `false` = it was not up. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): boolean {
    if (this.#process === undefined) return false;
    process.kill(this.#process.pid, signal);
    return true;
  }

  /** Takes down what it says of itself. */
  async observe(): Promise<void> {
    const running = this.#process;
    if (running === undefined) return;
    this.#read(running);
    try {
      const response = await fetch(`${running.admin}/pod`, { signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
      const { session } = (await response.json()) as { readonly session?: unknown };
      if (typeof session === 'string') this.sessions.add(session);
    } catch {
      // Stopped, cut off, or gone.
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.signal('SIGCONT');
    await this.end('SIGKILL');
  }

  #supervise(started: SluiceProcess): void {
    void started.ended.then(async (code) => {
      this.#pid = 0;
      if (this.#process !== started) return;
      this.#process = undefined;
      this.#read(started);
      this.fallen.push(`${this.name} ended by itself with ${code}:\n${started.log.slice(-10).join('\n')}`);
      this.#options.say(`${this.name} ENDED BY ITSELF with ${code}`);
      await pause(RESTART_MS);
      await this.start();
    });
  }

  /** Lines of its log since the last time. */
  #read({ log }: SluiceProcess): void {
    for (const line of log.slice(this.#linesRead)) {
      this.log.push(line);
      const said = line.startsWith('{') ? JSON.parse(line) : {};
      if (said.msg === 'a segment is not ours any more')
        this.dropped.push({ pod: this.name, segment: said.segment, atMs: Date.parse(said.time) });
      if (typeof said.session === 'string' && /session of this process is over/.test(said.msg ?? ''))
        this.sessions.add(said.session);
    }
    this.#linesRead = log.length;
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
