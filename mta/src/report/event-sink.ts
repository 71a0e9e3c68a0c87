import { closeSync, openSync } from 'node:fs';
import { SluiceError } from '@sluice/crds';
import type { EventSettings, Logger } from '../config/mod.ts';
import type { MailEvent } from './event.ts';
import { LineWriter } from './line-writer.ts';
import type { OpenEventStream } from './open-event-stream.ts';

/** How long `close` waits for a reader that stands still. */
export const CLOSE_TIMEOUT_MS = 2_000;
/** Group may read: events hold addresses, so nobody else may. */
const FILE_MODE = 0o640;

/**
 * Where events go. The hot path asks `wants` before it builds an event, so a sink without readers costs one
 * property read:
 *
 * `if (events.wants) events.emit({ type: 'delivered', time: new Date(nowMs).toISOString(), … })`
 */
export interface EventSink {
  /** `false` = nobody reads: do not even build the event. Never changes. */
  readonly wants: boolean;
  emit(event: MailEvent): void;
  /**
   * Resolves when the terminal events emitted so far outlive this process: they are in the file, and in the stream under
   * `guarantee: Complete`. `undefined` = they do. Standard output is not waited for: its reader may stand still.
   */
  stored(): Promise<void> | undefined;
  /** Why the stream takes nothing, if it does not: outcomes may wait for it. */
  readonly trouble: string | undefined;
  /** Events emitted that some reader did not get: a buffer was full, or a write failed. */
  readonly dropped: number;
  flush(): Promise<void>;
  /** Writes what waits, for at most {@link CLOSE_TIMEOUT_MS}, and closes the file. */
  close(): Promise<void>;
}

export interface EventSinkOptions {
  readonly settings: EventSettings;
  readonly logger: Logger;
  /** Where `settings.jetstream` leads to; it is closed with the sink. */
  readonly stream?: OpenEventStream;
  /** File descriptor of standard output; another one in tests. */
  readonly stdoutFd?: number;
  readonly maxPendingChars?: number;
}

/**
 * Opens the readers that the settings name: JSON lines on standard output, in a file, both or none.
 *
 * @throws {SluiceError} `SLUICE_EVENTS_FILE_UNWRITABLE`
 */
export function createEventSink({
  settings,
  logger,
  stream: opened,
  stdoutFd = 1,
  maxPendingChars,
}: EventSinkOptions): EventSink {
  const fileFd = settings.file === undefined ? undefined : openEventFile(settings.file);
  const writerTo = (fd: number, name: string) =>
    new LineWriter(fd, {
      ...(maxPendingChars !== undefined && { maxPendingChars }),
      onState: (error) => {
        if (error === undefined) logger.info({ target: name }, 'events are written again');
        else
          logger.error({ target: name, reason: error.message }, 'events cannot be written and are dropped');
      },
    });
  const writers: LineWriter[] = [];
  if (settings.stdout === 'Enabled') writers.push(writerTo(stdoutFd, 'stdout'));
  const file = fileFd === undefined ? undefined : writerTo(fileFd, settings.file ?? '');
  if (file !== undefined) writers.push(file);
  const stream = opened?.stream;

  const flush = async (): Promise<void> => {
    await Promise.all([...writers.map((writer) => writer.flush()), stream?.flush()]);
  };
  return {
    wants: writers.length > 0 || stream !== undefined,
    emit(event) {
      const line = `${JSON.stringify(event)}\n`;
      for (const writer of writers) writer.write(line);
      stream?.add(event.type, line);
    },
    stored() {
      const [inFile, inStream] = [file?.written(), stream?.stored()];
      if (inFile === undefined || inStream === undefined) return inFile ?? inStream;
      return Promise.all([inFile, inStream]).then(() => undefined);
    },
    get trouble() {
      return stream?.trouble;
    },
    get dropped() {
      return writers.reduce((sum, writer) => sum + writer.dropped, stream?.dropped ?? 0);
    },
    flush,
    async close() {
      const flushed = await within(flush(), CLOSE_TIMEOUT_MS);
      if (!flushed) logger.error({}, 'events were lost at shutdown: a reader stands still');
      // A write that still hangs in the thread pool keeps its descriptor.
      if (fileFd !== undefined && flushed) closeSync(fileFd);
      await opened?.close();
    },
  };
}

function openEventFile(file: string): number {
  try {
    return openSync(file, 'a', FILE_MODE);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SluiceError('SLUICE_EVENTS_FILE_UNWRITABLE', { file, reason }, { file }, error);
  }
}

async function within(work: Promise<void>, timeoutMs: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(() => resolve(false), timeoutMs);
  const done = await Promise.race([work.then(() => true as const), late]);
  clearTimeout(timer);
  return done;
}
