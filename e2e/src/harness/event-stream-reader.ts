import { EventStreamLayout, readEventStream, type SeenEvent } from '@sluice/mta/report';
import { openNats } from '@sluice/mta/spool';
import { EVENT_READER_LOGIN } from './jetstream-spec.ts';

/** All events that the stream has now, as a user with no more rights than a reader needs, or on a server without users. */
export async function storedEvents(url: string, asReader = true): Promise<readonly SeenEvent[]> {
  const layout = new EventStreamLayout('sluice');
  const connection = await openNats({
    servers: [url],
    credentials: asReader ? EVENT_READER_LOGIN : { kind: 'none' },
    inboxPrefix: layout.inboxPrefix,
    name: 'test',
  });
  try {
    const events: SeenEvent[] = [];
    const wanted = { types: [], sinceMs: 0, follow: false };
    for await (const { event } of readEventStream(connection, layout, wanted)) events.push(event);
    return events;
  } finally {
    await connection.close();
  }
}
