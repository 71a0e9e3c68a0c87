import type { Envelope, MessageBody, Reply } from '../spool/mod.ts';

/** One recipient that a report speaks about. */
export interface ReportedRecipient {
  readonly address: string;
  /** ORCPT as it was given, `''` = none. */
  readonly originalRecipient: string;
  readonly action: 'failed' | 'delayed' | 'relayed';
  /** The last one, of the peer or of Sluice itself. */
  readonly reply: Reply;
  /** Wall time of the last attempt, milliseconds. */
  readonly atMs: number;
  /** `delayed`: wall time at which Sluice gives up, milliseconds. */
  readonly untilMs?: number;
}

/** All that a report is made of. */
export interface StatusReport {
  /** Message id of the report. */
  readonly id: string;
  /** The MTA that reports. */
  readonly hostname: string;
  /** Address in From. */
  readonly from: string;
  /** Wall time, milliseconds. */
  readonly nowMs: number;
  /** The message that is reported on. Its sender is not `<>`. */
  readonly envelope: Envelope;
  readonly body: MessageBody;
  /** At least one. */
  readonly recipients: readonly ReportedRecipient[];
  /** A larger message is not returned whole, octets. */
  readonly maxReturnedBytes: number;
}
