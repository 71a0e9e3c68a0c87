import type { JournalEntry, OwnerCommand, OwnerEvent, StoredItem } from '../owner-command.ts';
import type { Place } from '../place.ts';
import { NO_ANSWER, type SimulatedMessage } from './cluster.ts';
import type { SimulatedPod } from './pod.ts';
import type { Entry } from './stream.ts';

const TIMEOUT_MS = 5_000;
/** Items that one read of a store returns. */
const PAGE = 20;

/** Carries out what a segment's owner wants, on the simulated cluster. */
export function carryOut(pod: SimulatedPod, segment: number, command: OwnerCommand): void {
  const { cluster } = pod;
  const { judge, journal, stores } = cluster;
  const owner = pod.owners.get(segment);
  /** An answer for this very owner: the process may have dropped the segment and adopted it again. */
  const tell = (event: OwnerEvent): void => {
    if (pod.owners.get(segment) === owner) pod.event(segment, event);
  };
  const ask = <Answer>(
    execute: () => Answer | typeof NO_ANSWER,
    answer: (result: Answer) => OwnerEvent | undefined,
    timedOut?: OwnerEvent,
  ) =>
    cluster.request(
      pod,
      execute,
      (result) => {
        const event = answer(result);
        if (event !== undefined) tell(event);
      },
      TIMEOUT_MS,
      () => {
        if (timedOut !== undefined) tell(timedOut);
      },
    );
  const journalSubject = `journal.${segment}.`;
  switch (command.kind) {
    case 'read-journal': {
      const { after } = command;
      ask(
        () => journal.read(journalSubject, after, cluster.nowMs, cluster.lagMs()),
        (found) => ({ kind: 'journal', after, entries: found.map(journalEntry) }),
      );
      return;
    }
    case 'append': {
      const { batch, expected } = command;
      const { number } = batch;
      let lastWas = 0;
      ask(
        () => {
          lastWas = journal.lastOf(journalSubject);
          return append(pod, journalSubject, batch, expected);
        },
        (sequence) =>
          sequence === 'refused'
            ? { kind: 'append-failed', number, timedOut: false, lastSequence: lastWas }
            : { kind: 'appended', number, sequence },
        { kind: 'append-failed', number, timedOut: true },
      );
      return;
    }
    case 'publish-marker': {
      const { store, epoch } = command;
      const { session } = pod;
      ask(
        () => {
          if (!cluster.isReadOnly)
            stores[store].append(`${store}.${segment}.${epoch}`, { id: session, groups: 0 }, cluster.nowMs);
        },
        () => undefined,
      );
      return;
    }
    case 'read-store': {
      const { store, after } = command;
      ask(
        () => stores[store].read(`${store}.${segment}.`, after, cluster.nowMs, cluster.lagMs(), PAGE),
        (found) => ({ kind: 'read', store, after, items: found.map(storedItem) }),
      );
      return;
    }
    case 'sweep': {
      const { after } = command;
      ask(
        () => {
          const lagMs = cluster.lagMs();
          const upTo = stores.spool.lastSeen(cluster.nowMs, lagMs);
          return { upTo, found: stores.spool.read(`spool.${segment}.`, after, cluster.nowMs, lagMs) };
        },
        ({ upTo, found }) => ({ kind: 'swept', after, upTo, items: found.map(storedItem) }),
      );
      return;
    }
    case 'check-tail': {
      const { place } = command;
      ask(
        () => isThere(pod, segment, place),
        (intact) => ({ kind: 'tail', store: place.store, intact }),
      );
      return;
    }
    case 'copy': {
      const { place, epoch } = command;
      ask(
        () => {
          const message = stores[place.store].at(place.sequence)?.payload;
          if (message?.id !== place.id) return 'refused';
          return cluster.isReadOnly
            ? NO_ANSWER
            : stores.defer.append(`defer.${segment}.${epoch}`, message, cluster.nowMs);
        },
        (toSequence) => {
          if (toSequence !== 'refused') return { kind: 'copied', place, toSequence };
          pod.queues.get(segment)?.notMoved(place.id);
          return { kind: 'copy-failed', place };
        },
        { kind: 'copy-failed', place },
      );
      return;
    }
    case 'purge': {
      const { store, upTo, guard } = command;
      ask(
        () => {
          if (!isThere(pod, segment, guard)) return false;
          for (const { sequence, payload } of stores[store].purge(`${store}.${segment}.`, upTo))
            if (payload.groups > 0) judge.purged(store, sequence, payload.id);
          return true;
        },
        (intact) => (intact ? { kind: 'purged', store, upTo } : { kind: 'tail', store, intact }),
      );
      return;
    }
    case 'read-oldest': {
      const { from, atMost } = command;
      ask(
        () => journal.read(journalSubject, from - 1, cluster.nowMs, 0, atMost),
        (found) => ({ kind: 'oldest', from, entries: found.map(journalEntry) }),
      );
      return;
    }
    case 'purge-journal': {
      const { upTo } = command;
      ask(
        () => journal.purge(journalSubject, upTo),
        () => ({ kind: 'journal-purged', upTo }),
      );
      return;
    }
    case 'read-handover': {
      const { epoch, after } = command;
      ask(
        () => journal.read(`handover.${segment}.${epoch}.`, after, cluster.nowMs, 0),
        (found) => ({ kind: 'handover', epoch, after, entries: found.map(journalEntry) }),
      );
      return;
    }
    case 'append-handover': {
      const { batch, expected } = command;
      const { number } = batch;
      const subject = `handover.${segment}.${batch.epoch}.`;
      const failed = () =>
        ask(
          () => journal.read(subject, expected, cluster.nowMs, 0),
          (found) => ({ kind: 'handover-failed', number, entries: found.map(journalEntry) }),
        );
      cluster.request(
        pod,
        () => append(pod, subject, batch, expected),
        (sequence) =>
          typeof sequence === 'number' ? tell({ kind: 'handover-appended', number, sequence }) : failed(),
        TIMEOUT_MS,
        failed,
      );
      return;
    }
    case 'offer': {
      const states = new Map([...command.live].map(([group, { state }]) => [group, state]));
      pod.queues.get(segment)?.add(command.place, [...command.live.keys()], states);
      return;
    }
    case 'started':
      pod.queues.get(segment)?.started(command.place, command.group);
      return;
    case 'held':
      judge.held(command.place.id);
      return;
    case 'declined':
      pod.declined(segment, command.session);
      return;
    case 'drop':
      pod.forgetSegment(segment);
      return;
    case 'released':
    case 'live':
      pod.claimsChanged();
      return;
    case 'recorded':
      return;
  }
}

function append(
  pod: SimulatedPod,
  subject: string,
  batch: JournalEntry['batch'],
  expected: number,
): number | 'refused' | typeof NO_ANSWER {
  const { cluster } = pod;
  if (cluster.isReadOnly) return NO_ANSWER;
  const sequence = cluster.journal.append(subject, batch, cluster.nowMs, expected);
  if (typeof sequence === 'number') cluster.judge.journalled(subject, sequence, batch);
  return sequence;
}

function isThere(pod: SimulatedPod, segment: number, { store, sequence, id }: Place): boolean {
  const entry = pod.cluster.stores[store].at(sequence);
  return entry?.payload.id === id && entry.subject.startsWith(`${store}.${segment}.`);
}

function storedItem({ sequence, subject, payload }: Entry<SimulatedMessage>): StoredItem {
  return { sequence, epoch: Number(subject.split('.')[2]), ...payload };
}

function journalEntry({ sequence, payload }: Entry<JournalEntry['batch']>): JournalEntry {
  return { sequence, batch: payload };
}
