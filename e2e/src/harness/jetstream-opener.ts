import {
  type JetStreamSpoolOptions,
  openJetStreamSpool,
  type SharedSpool,
  type SpoolListener,
} from '@sluice/mta/spool';

/** Streams of a test are small: many of them share one server. */
const TEST_STREAM_BYTES = 256 * 2 ** 20;

/** Options of a spool that has a server for itself under a prefix; one segment, so that sequences rise with the calls. */
export function testSpoolOptions(
  servers: readonly string[],
  prefix: string,
  changes: Partial<JetStreamSpoolOptions> = {},
): JetStreamSpoolOptions {
  return {
    servers,
    prefix,
    name: 'test',
    credentials: { kind: 'none' },
    durability: 'Single',
    maxBytes: TEST_STREAM_BYTES,
    maxDeferredBytes: TEST_STREAM_BYTES,
    journalBytes: TEST_STREAM_BYTES,
    spoolStreams: 1,
    openSegments: 1,
    ringSegments: 1,
    assumeAlone: true,
    streams: 'Create',
    onNotice: () => {},
    ...changes,
  };
}

/** Opens the spool of a prefix; the argument is `URL PREFIX`: what another process of the contract suite imports. */
export function openSpool(argument: string): Promise<SharedSpool> {
  const [url = '', prefix = ''] = argument.split(' ');
  return openFollowed(testSpoolOptions([url], prefix));
}

/** Opens a spool and adopts what there is, as a pod does before it takes mail. */
export async function openFollowed(
  options: JetStreamSpoolOptions,
  listener: Partial<SpoolListener> = {},
): Promise<SharedSpool> {
  const spool = await openJetStreamSpool(options);
  await spool.follow({ onMail: () => {}, onGone: () => {}, onHeld: () => {}, ...listener });
  return spool;
}
