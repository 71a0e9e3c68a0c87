/** How often the process asks for its own memory, milliseconds: the question costs about 20 µs. */
export const MEMORY_SAMPLE_MS = 500;

/** Whether the process is near its memory bound; sampled, so that intake can ask for every message. */
export class MemoryGauge {
  readonly #lowWaterBytes: number;
  readonly #timer: NodeJS.Timeout;
  #rssBytes = process.memoryUsage.rss();

  /** @param percent of `maxBytes` above which mail is refused */
  constructor(maxBytes: number, percent: number) {
    this.#lowWaterBytes = (maxBytes * percent) / 100;
    this.#timer = setInterval(() => {
      this.#rssBytes = process.memoryUsage.rss();
    }, MEMORY_SAMPLE_MS);
    this.#timer.unref();
  }

  get low(): boolean {
    return this.#rssBytes > this.#lowWaterBytes;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
